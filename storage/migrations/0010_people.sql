-- Who may see and do what: accounts, tokens of controllers, sessions, one-time login links.
-- No secret stands here in the clear: passwords as argon2id, everything else as SHA-256 of 256 random bits.

CREATE TABLE IF NOT EXISTS account (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE CHECK (name ~ '^[a-z0-9][a-z0-9._-]{0,63}$'),
    full_name text NOT NULL DEFAULT '',
    role text NOT NULL CHECK (role IN ('viewer', 'inspector', 'engineer', 'approver', 'admin')),
    password_hash text NOT NULL,
    password_is_first boolean NOT NULL DEFAULT false,
    disabled boolean NOT NULL DEFAULT false,
    failures integer NOT NULL DEFAULT 0,
    locked_until_us bigint NOT NULL DEFAULT 0,
    created_us bigint NOT NULL,
    password_changed_us bigint NOT NULL
);

CREATE TABLE IF NOT EXISTS access_token (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL,
    secret_hash bytea NOT NULL UNIQUE,
    scopes text[] NOT NULL,
    created_by text NOT NULL,
    created_us bigint NOT NULL,
    expires_us bigint NOT NULL,
    revoked_us bigint
);

CREATE TABLE IF NOT EXISTS login_session (
    secret_hash bytea PRIMARY KEY,
    account_id bigint NOT NULL REFERENCES account ON DELETE CASCADE,
    created_us bigint NOT NULL,
    seen_us bigint NOT NULL,
    address text NOT NULL DEFAULT ''
);

CREATE INDEX IF NOT EXISTS login_session_of_account ON login_session (account_id);

CREATE TABLE IF NOT EXISTS login_link (
    secret_hash bytea PRIMARY KEY,
    account_id bigint NOT NULL REFERENCES account ON DELETE CASCADE,
    expires_us bigint NOT NULL
);
