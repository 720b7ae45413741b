-- messages.db of one bridge. Written by bridge/store/ only; read by everybody through the views
-- `messages` and `chats` (names of the seed) and the table `message`; contracts/messages.py.

-- One row. `seq` counts every insert and change of a message or a mention.
CREATE TABLE store (
    store_id        TEXT NOT NULL,     -- new whenever the file is created, set aside, restored or copied
    bridge          TEXT NOT NULL,
    seq             INTEGER NOT NULL,
    schema_version  INTEGER NOT NULL,
    min_compatible  INTEGER NOT NULL,  -- the oldest code that may open this file
    file_identity   TEXT NOT NULL,     -- inode when last opened: another one means a copy
    created_at      INTEGER NOT NULL
);

-- What came, byte for byte, before anybody looked at it. The truth; all else can be computed again.
CREATE TABLE event (
    seq             INTEGER PRIMARY KEY,  -- order of arrival
    kind            TEXT NOT NULL,
    payload         BLOB NOT NULL,
    received_at     INTEGER NOT NULL,     -- milliseconds
    live            INTEGER NOT NULL,     -- 0: backlog, history or repair
    chat            TEXT,
    id              TEXT,
    n               INTEGER,              -- the message it was found to be a copy of
    read_by         INTEGER,              -- interpreter version; NULL: not read yet
    error           TEXT                  -- why that version could not read it
);
CREATE INDEX event_waiting ON event (seq) WHERE read_by IS NULL;
CREATE INDEX event_failed ON event (read_by) WHERE error IS NOT NULL;
CREATE INDEX event_address ON event (chat, id) WHERE id IS NOT NULL;

-- One row per message (and per edit and revoke, which have ids of their own).
CREATE TABLE message (
    chat            TEXT NOT NULL,
    id              TEXT NOT NULL,
    n               INTEGER NOT NULL,  -- 0 except for proven collisions of ids
    change_seq      INTEGER NOT NULL,
    rank            INTEGER NOT NULL,  -- 0 placeholder, 1 unparsed, 2 content
    kind            TEXT NOT NULL,     -- text, image, document, edit, revoke, reaction, placeholder …
    author_lid      TEXT,
    author_pn       TEXT,
    user_name       TEXT,
    from_me         INTEGER NOT NULL,
    own             INTEGER NOT NULL,  -- by one of our numbers: never a mention
    sent_at         INTEGER NOT NULL,  -- the server's time, milliseconds
    body            TEXT NOT NULL,     -- what the message itself said
    content         TEXT NOT NULL,     -- after its accepted edits
    deleted         INTEGER NOT NULL,
    edited_at       INTEGER,
    filename        TEXT,
    url             TEXT,
    media_key       BLOB,
    file_sha256     BLOB,
    file_enc_sha256 BLOB,
    file_length     INTEGER,
    received_at     INTEGER NOT NULL,
    live            INTEGER NOT NULL,
    superseded_by   INTEGER,           -- an n found to be the same message as another one
    PRIMARY KEY (chat, id, n)
) WITHOUT ROWID;
CREATE UNIQUE INDEX message_change ON message (change_seq);
CREATE INDEX message_lid ON message (author_lid, author_pn);
CREATE INDEX message_pn ON message (author_pn, author_lid);
CREATE INDEX message_time ON message (chat, sent_at);
CREATE INDEX message_forged ON message (n) WHERE n > 0;
CREATE INDEX message_weak ON message (rank) WHERE rank < 2;

-- Every text a message has had, beside the current one: nothing is overwritten.
CREATE TABLE message_version (
    chat            TEXT NOT NULL,
    id              TEXT NOT NULL,
    n               INTEGER NOT NULL,
    sent_at         INTEGER NOT NULL,
    content         TEXT NOT NULL,
    PRIMARY KEY (chat, id, n, sent_at, content)
) WITHOUT ROWID;

-- Edits and revokes as immutable events; (chat, id, n) is their own row in `message`.
CREATE TABLE amendment (
    chat            TEXT NOT NULL,
    id              TEXT NOT NULL,
    n               INTEGER NOT NULL,
    part            INTEGER NOT NULL,
    kind            TEXT NOT NULL,     -- edit, revoke, secret
    target_id       TEXT NOT NULL,
    claimed_lid     TEXT,
    claimed_pn      TEXT,
    author_lid      TEXT,
    author_pn       TEXT,
    sent_at         INTEGER NOT NULL,
    content         TEXT NOT NULL,
    verdict         TEXT NOT NULL,     -- accepted, waiting, rejected
    PRIMARY KEY (chat, id, n, part)
) WITHOUT ROWID;
CREATE INDEX amendment_target ON amendment (chat, target_id);
CREATE INDEX amendment_verdict ON amendment (verdict) WHERE verdict <> 'accepted';

CREATE TABLE chat (
    jid             TEXT PRIMARY KEY,
    name            TEXT,
    named_at        INTEGER NOT NULL DEFAULT 0,
    last_message_at INTEGER NOT NULL DEFAULT 0,
    messages        INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;

-- Which phone number is behind a LID; the first word stays.
CREATE TABLE alias (
    lid             TEXT PRIMARY KEY,
    pn              TEXT NOT NULL,
    source          TEXT NOT NULL,
    learned_at      INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE own_number (number TEXT PRIMARY KEY) WITHOUT ROWID;

-- What is known of a group's admins, each from its moment.
CREATE TABLE admin_evidence (
    chat            TEXT NOT NULL,
    at              INTEGER NOT NULL,
    facts           TEXT NOT NULL,     -- JSON: admins (or null), promoted, demoted
    PRIMARY KEY (chat, at, facts)
) WITHOUT ROWID;

-- Messages that are to be computed again because something else became known.
CREATE TABLE todo (
    chat            TEXT NOT NULL,
    id              TEXT NOT NULL,
    PRIMARY KEY (chat, id)
) WITHOUT ROWID;

-- Which rules a group's messages were searched by, and how far a replay has come (NULL: all).
CREATE TABLE rules (
    chat            TEXT PRIMARY KEY,
    project         TEXT NOT NULL,
    rules_hash      TEXT NOT NULL,
    replay_after    TEXT
) WITHOUT ROWID;

CREATE TABLE mention (
    drop_number     TEXT NOT NULL,
    chat            TEXT NOT NULL,
    id              TEXT NOT NULL,
    change_seq      INTEGER NOT NULL,
    project         TEXT NOT NULL,
    rules_hash      TEXT NOT NULL,
    sent_at         INTEGER NOT NULL,
    author_lid      TEXT,
    author_pn       TEXT,
    user_name       TEXT,
    withdrawn       INTEGER NOT NULL,  -- 1: edited away or deleted, 2: found not to be a mention
    as_of           INTEGER NOT NULL,
    as_of_id        TEXT NOT NULL,
    PRIMARY KEY (chat, id, drop_number)
) WITHOUT ROWID;
CREATE UNIQUE INDEX mention_change ON mention (change_seq);

-- Databases that were ever published to; `filled_to` walks up to `known_at` once.
CREATE TABLE publication (
    database_id     TEXT PRIMARY KEY,
    known_at        INTEGER NOT NULL,  -- store.seq when it was first seen
    filled_to       INTEGER NOT NULL
) WITHOUT ROWID;

-- Mentions that a database has not got yet: a mark per row and per database.
CREATE TABLE outbox (
    database_id     TEXT NOT NULL,
    chat            TEXT NOT NULL,
    id              TEXT NOT NULL,
    drop_number     TEXT NOT NULL,
    change_seq      INTEGER NOT NULL,
    queued_at       INTEGER NOT NULL,
    error           TEXT,              -- parked: the database refused it for what it is
    PRIMARY KEY (database_id, chat, id, drop_number)
) WITHOUT ROWID;
CREATE INDEX outbox_order ON outbox (database_id, change_seq) WHERE error IS NULL;
CREATE INDEX outbox_parked ON outbox (database_id, change_seq) WHERE error IS NOT NULL;

-- What may have been, or was, consumed without reaching the store.
CREATE TABLE loss (
    seq             INTEGER PRIMARY KEY,
    at              INTEGER NOT NULL,
    kind            TEXT NOT NULL,
    text            TEXT NOT NULL,
    chat            TEXT,
    id              TEXT,
    UNIQUE (kind, chat, id)
);

-- The seed's names, for those who read this file today.
CREATE VIEW messages AS
SELECT id,
       chat AS chat_jid,
       coalesce(author_pn, author_lid, '') AS sender,
       content,
       strftime('%Y-%m-%d %H:%M:%S+00:00', sent_at / 1000, 'unixepoch') AS timestamp,
       from_me AS is_from_me,
       CASE WHEN kind IN ('image', 'video', 'audio', 'document', 'sticker')
            THEN kind ELSE '' END AS media_type,
       filename,
       url,
       media_key,
       file_sha256,
       file_enc_sha256,
       file_length,
       deleted
  FROM message
 WHERE superseded_by IS NULL
   AND (kind NOT IN ('edit', 'revoke', 'secret_edit') OR body <> '');

CREATE VIEW chats AS
SELECT jid,
       coalesce(name, jid) AS name,
       strftime('%Y-%m-%d %H:%M:%S+00:00', last_message_at / 1000, 'unixepoch') AS last_message_time
  FROM chat;
