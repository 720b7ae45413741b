PRAGMA user_version = 1;

CREATE TABLE condition (
    subject TEXT NOT NULL, -- a bridge, a service, or "stack"
    part TEXT NOT NULL,
    word TEXT NOT NULL,
    reason TEXT NOT NULL,
    urgent INTEGER NOT NULL,
    daily INTEGER NOT NULL,
    present INTEGER NOT NULL,
    since REAL NOT NULL,
    unfit_since REAL NOT NULL,
    told_word TEXT NOT NULL,
    told_at REAL NOT NULL,
    acknowledged INTEGER NOT NULL,
    PRIMARY KEY (subject, part)
);

-- The outbox: a letter is written in the transaction of what it tells.
CREATE TABLE letter (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at REAL NOT NULL,
    kind TEXT NOT NULL,
    title TEXT NOT NULL,
    body TEXT NOT NULL,
    urgent INTEGER NOT NULL,
    subject TEXT NOT NULL,
    part TEXT NOT NULL
);

CREATE TABLE delivery (
    letter INTEGER NOT NULL REFERENCES letter (id),
    sink TEXT NOT NULL, -- a name made of the address, which is a secret and not kept
    tries INTEGER NOT NULL DEFAULT 0,
    delivered_at REAL,
    trouble TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (letter, sink)
);

CREATE INDEX delivery_waiting ON delivery (sink) WHERE delivered_at IS NULL;

CREATE TABLE fact (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
);
