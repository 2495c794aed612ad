// Checks Grafana dashboards against the types that Grafana's own front end is compiled with.
// Arguments: JSON files. Prints what does not fit, one a line; exits 1 then.
import { readFileSync, writeFileSync, mkdtempSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import ts from "typescript";

const schema = "@grafana/schema";
const panels = {
  timeseries: "TimeSeries",
  table: "Table",
  stat: "Stat",
  bargauge: "BarGauge",
  "state-timeline": "StateTimeline",
};
// An enum of strings becomes the union of its words: JSON has no enums. Keys that are not there are refused.
const prelude = `
type Plain<T> = T extends string ? \`\${T}\` : T extends number | boolean | null | undefined ? T
  : T extends Array<infer E> ? Array<Plain<E>> : T extends object ? { [K in keyof T]: Plain<T[K]> } : T;
`;

const folder = mkdtempSync(join(import.meta.dirname, ".grafana-"));
try {
  const files = process.argv.slice(2).map((file) => {
    const board = JSON.parse(readFileSync(file, "utf-8"));
    const kinds = new Set(board.panels.map((panel) => panel.type));
    let code = `import type { Dashboard, Panel, RowPanel } from "${schema}";\n`;
    for (const kind of kinds) {
      if (kind === "row") continue;
      if (!(kind in panels)) throw new Error(`${file}: no type is known for panels of kind ${kind}`);
      const name = panels[kind];
      code += `import type * as ${name} from "${schema}/dist/esm/raw/composable/${name.toLowerCase()}/panelcfg/x/${name}PanelCfg_types.gen";\n`;
    }
    code += prelude + `export const board: Plain<Omit<Dashboard, "panels">> = ${JSON.stringify({ ...board, panels: undefined })};\n`;
    board.panels.forEach((panel, i) => {
      const { options, fieldConfig, ...rest } = panel;
      if (panel.type === "row") {
        code += `export const row${i}: Plain<RowPanel> = ${JSON.stringify(panel)};\n`;
        return;
      }
      const own = panels[panel.type];
      const { custom, ...fields } = fieldConfig.defaults;
      code += `export const panel${i}: Plain<Panel> = ${JSON.stringify({ ...rest, fieldConfig: { ...fieldConfig, defaults: fields } })};\n`;
      code += `export const options${i}: Partial<Plain<${own}.Options>> = ${JSON.stringify(options)};\n`;
      if (custom) code += `export const custom${i}: Partial<Plain<${own}.FieldConfig>> = ${JSON.stringify(custom)};\n`;
    });
    const written = join(folder, basename(file, ".json") + ".ts");
    writeFileSync(written, code);
    return written;
  });
  const program = ts.createProgram(files, {
    strict: true,
    noEmit: true,
    skipLibCheck: true,
    module: ts.ModuleKind.ESNext,
    moduleResolution: ts.ModuleResolutionKind.Bundler,
    target: ts.ScriptTarget.ES2022,
    types: [],
  });
  const wrong = ts.getPreEmitDiagnostics(program);
  for (const found of wrong) {
    const line = found.file ? found.file.text.slice(found.start, found.start + 60) : "";
    console.log(`${found.file ? basename(found.file.fileName, ".ts") : ""}: ${ts.flattenDiagnosticMessageText(found.messageText, " ")} | ${line}`);
  }
  process.exitCode = wrong.length ? 1 : 0;
} finally {
  rmSync(folder, { recursive: true });
}
