-- People who log in by an OpenID Connect provider, sessions that people can see and end, and versions of settings files.

-- password: by name and password. provider: by the provider of settings.toml only; password_hash is then '!', which nothing matches
ALTER TABLE account ADD COLUMN IF NOT EXISTS login text NOT NULL DEFAULT 'password' CHECK (login IN ('password', 'provider'));

ALTER TABLE account ADD COLUMN IF NOT EXISTS last_login_us bigint;

-- Whose account a person of a provider has. The subject never changes there; names and addresses do.
CREATE TABLE IF NOT EXISTS account_identity (
    issuer text NOT NULL,
    subject text NOT NULL,
    account_id bigint NOT NULL UNIQUE REFERENCES account ON DELETE CASCADE,
    bound_us bigint NOT NULL,
    PRIMARY KEY (issuer, subject)
);

-- what a session is called where it is listed: its secret is never shown
ALTER TABLE login_session ADD COLUMN IF NOT EXISTS id bigint GENERATED ALWAYS AS IDENTITY;

CREATE UNIQUE INDEX IF NOT EXISTS login_session_id ON login_session (id);

-- what the browser said that it is
ALTER TABLE login_session ADD COLUMN IF NOT EXISTS agent text NOT NULL DEFAULT '';

-- given back to the provider when the person logs out, so that it ends its own session without asking; null: by password or link
ALTER TABLE login_session ADD COLUMN IF NOT EXISTS id_token text;

CREATE TABLE IF NOT EXISTS settings_version (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- path below the folder of site.toml
    file text NOT NULL CHECK (file <> ''),
    -- null: the file was taken away
    content text,
    time timestamptz NOT NULL,
    -- empty where the file was changed by an editor
    actor text NOT NULL,
    -- saved: on the dashboard; restored: an earlier version, on the dashboard; found: as it was on disk
    kind text NOT NULL CHECK (kind IN ('saved', 'restored', 'found')),
    note text NOT NULL DEFAULT '' CHECK (char_length(note) <= 500)
);

CREATE INDEX IF NOT EXISTS settings_version_of_file ON settings_version (file, id DESC);
