// An OpenID Connect provider, panva's certified oidc-provider: lets in whom its settings name, changes its keys when it is told to.
// Arguments: port, and settings as JSON: { back, after, client, secret, people: { name: { sub, name, groups } } }.
import { generateKeyPairSync, randomBytes } from "node:crypto";
import { createServer } from "node:http";
import { createInterface } from "node:readline";
import Provider from "oidc-provider";

const [port, given] = process.argv.slice(2);
const settings = JSON.parse(given);
const issuer = `http://127.0.0.1:${port}`;
const FORM = (uid) => `<!DOCTYPE html><html lang="en"><head><title>Provider</title><link rel="icon" href="data:,"></head>
<body><form method="post" action="/interaction/${uid}"><input name="who" id="who"><button>In</button></form></body></html>`;
let keys = 0;
let server = null;

function key() {
  keys += 1;
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  return { ...privateKey.export({ format: "jwk" }), kid: `key-${keys}`, use: "sig", alg: "ES256" };
}

function account(_ctx, id) {
  const person = Object.values(settings.people).find((one) => one.sub === id);
  return { accountId: id, claims: async () => ({ ...person, sub: id }) };
}

// its own page asks for a font of another server
function sayLogout(ctx, form) {
  ctx.body = `<!DOCTYPE html><html lang="en"><head><title>Provider</title><link rel="icon" href="data:,"></head>
<body>${form}<button form="op.logoutForm" name="logout" value="yes">Yes</button></body></html>`;
}

function made() {
  const provider = new Provider(issuer, {
    clients: [
      {
        client_id: settings.client,
        client_secret: settings.secret,
        redirect_uris: [settings.back],
        post_logout_redirect_uris: [settings.after],
        id_token_signed_response_alg: "ES256",
      },
    ],
    claims: { openid: ["sub"], profile: ["name", "preferred_username"], groups: ["groups"] },
    scopes: ["openid", "profile", "groups"],
    jwks: { keys: [key()] },
    cookies: { keys: [randomBytes(16).toString("hex")] },
    features: { devInteractions: { enabled: false }, rpInitiatedLogout: { enabled: true, logoutSource: sayLogout } },
    interactions: { url: (_ctx, interaction) => `/interaction/${interaction.uid}` },
    pkce: { required: () => true },
    findAccount: account,
    loadExistingGrant: async (ctx) => {
      const grant = new ctx.oidc.provider.Grant({ clientId: ctx.oidc.client.clientId, accountId: ctx.oidc.session.accountId });
      grant.addOIDCScope("openid profile groups");
      await grant.save();
      return grant;
    },
  });
  provider.use(async (ctx, next) => {
    if (!ctx.path.startsWith("/interaction/")) return next();
    if (ctx.method === "GET") {
      ctx.type = "html";
      ctx.body = FORM(ctx.path.split("/")[2]);
      return undefined;
    }
    const chunks = [];
    for await (const chunk of ctx.req) chunks.push(chunk);
    const person = settings.people[new URLSearchParams(Buffer.concat(chunks).toString()).get("who")];
    const result = person ? { login: { accountId: person.sub } } : { error: "access_denied", error_description: "nobody of that name" };
    ctx.status = 303;
    ctx.redirect(await provider.interactionResult(ctx.req, ctx.res, result));
    return undefined;
  });
  return provider;
}

function listen() {
  return new Promise((resolve) => {
    server = createServer(made().callback()).listen(Number(port), "127.0.0.1", resolve);
  });
}

async function anew() {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await listen();
  console.log(JSON.stringify({ keys }));
}

await listen();
console.log(JSON.stringify({ issuer }));
createInterface({ input: process.stdin }).on("line", (line) => {
  const asked = JSON.parse(line);
  Object.assign(settings.people, asked.people ?? {});
  anew();
}).on("close", () => process.exit(0));
