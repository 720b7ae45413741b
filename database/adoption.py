"""What a `qa_photo_reviews` of older code needs before the ledger may write to it. Pure.

Nothing here drops, narrows or merges anything. What cannot be done without loss, or without
knowing something that only a person knows, is an obstacle with the numbers that it is about.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

UNIQUE_INDEX = "qa_photo_reviews_one_per_drop"

_TEXTS = ("text", "character varying")


@dataclass(frozen=True, slots=True)
class Column:
    """A column as the ledger needs it; ``type`` in the words of Postgres' format_type."""

    name: str
    type: str
    default: str | None = None
    """SQL expression. A column that is added with one is NOT NULL too."""
    also: tuple[str, ...] = ()
    """Other types that old code may have given it and that serve as well."""

    def serves(self, found: str) -> bool:
        """Tell whether a column of the type ``found`` takes every value of ours."""
        if found == self.type or found in self.also:
            return True
        if not self.type.startswith(_TEXTS):
            return False
        return found in _TEXTS or (
            self.type != "text"
            and found.startswith("character varying(")
            and _length(found) >= _length(self.type)
        )


def _length(varchar: str) -> int:
    # Without a length ours is filled with phone digits, which have 20 at most.
    return int(varchar.partition("(")[2].rstrip(")") or 20)


def _steps() -> Iterator[Column]:
    for step in (
        "01_house_photo",
        "02_cable_from_pole",
        "03_cable_entry_outside",
        "04_cable_entry_inside",
        "05_wall_for_installation",
        "06_ont_back_after_install",
        "07_power_meter_reading",
        "08_ont_barcode",
        "09_ups_serial",
        "10_final_installation",
        "11_green_lights",
        "12_customer_signature",
    ):
        yield Column(f"step_{step}", "boolean", "false")


DROP = Column("drop_number", "character varying(50)")

COLUMNS = (
    Column("id", "uuid", "gen_random_uuid()", ("integer", "bigint", "text", "character varying")),
    DROP,
    Column("review_date", "date"),
    Column("user_name", "character varying(100)"),
    Column("submitted_by", "character varying"),
    Column("project", "character varying(100)"),
    Column("bridge_source", "character varying(20)"),
    Column("whatsapp_message_date", "timestamp with time zone"),
    Column("completed_photos", "integer", "0", ("bigint", "smallint")),
    Column("outstanding_photos", "integer", "12", ("bigint", "smallint")),
    Column("outstanding_photos_loaded_to_1map", "boolean", "false"),
    Column("assigned_agent", "character varying(255)"),
    Column("comment", "text"),
    Column("completed", "boolean", "false"),
    Column("incomplete", "boolean", "false"),
    Column("resubmitted", "boolean", "false"),
    Column("feedback_sent", "timestamp with time zone"),
    Column("locked_by", "character varying(255)"),
    Column("locked_at", "timestamp with time zone"),
    Column("incorrect_steps", "jsonb", None, ("text[]", "character varying[]")),
    Column("incorrect_comments", "jsonb"),
    Column("created_at", "timestamp with time zone", "now()"),
    Column("updated_at", "timestamp with time zone", "now()"),
    *_steps(),
    Column("from_ledger", "boolean", "false"),
    Column("reviewed_at", "timestamp with time zone"),
    Column("reviewed_resubmitted", "boolean"),
    Column("reviewed_incomplete", "boolean"),
    Column("reviewed_feedback_sent", "timestamp with time zone"),
)
"""What the migrations make of an empty database; a test compares the two."""


@dataclass(frozen=True, slots=True)
class FoundColumn:
    """A column as the catalogue has it."""

    name: str
    type: str
    nullable: bool
    has_default: bool


@dataclass(frozen=True, slots=True)
class Duplicate:
    """One drop number on several rows."""

    drop_number: str
    rows: int
    projects: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FoundTable:
    """Everything about the table that the plan depends on."""

    is_table: bool
    """False for a view, a foreign or a partitioned table."""
    owned: bool
    """This role may change the table."""
    owner: str
    columns: tuple[FoundColumn, ...]
    has_primary_key: bool
    unique_on_drop: bool
    """A unique index on the drop number alone, valid, immediate and without a condition."""
    duplicates: tuple[Duplicate, ...]
    faulty_rows: tuple[tuple[str, int], ...]
    """What is wrong, on how many rows; none of them can become a mention."""
    repeated_ids: int
    """Rows whose ``id`` is missing or also another row's."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What adoption does, what it leaves alone and what is in its way."""

    add: tuple[Column, ...]
    set_default: tuple[Column, ...]
    make_primary_key: bool
    make_unique_index: bool
    kept: tuple[str, ...]
    duplicates: tuple[Duplicate, ...]
    obstacles: tuple[str, ...]

    @property
    def changes(self) -> bool:
        """There is something to do."""
        return bool(self.add or self.set_default or self.make_primary_key or self.make_unique_index)

    @property
    def fits(self) -> bool:
        """The migrations may run: nothing to do and nothing in the way."""
        return not self.changes and not self.obstacles

    def lines(self) -> Iterator[str]:
        """Give the plan for people, one sentence a line."""
        for column in self.add:
            default = f" default {column.default}" if column.default else ""
            yield f"add column {column.name} {column.type}{default}"
        for column in self.set_default:
            yield f"set default of {column.name} to {column.default} (rows that exist stay)"
        if self.make_primary_key:
            yield "make id the primary key"
        if self.make_unique_index:
            yield f"make the unique index {UNIQUE_INDEX} on drop_number"
        if self.kept:
            yield f"keep the columns that are not ours: {', '.join(self.kept)}"
        for duplicate in self.duplicates:
            projects = ", ".join(duplicate.projects)
            yield f"duplicate: {duplicate.drop_number} on {duplicate.rows} rows ({projects})"
        for obstacle in self.obstacles:
            yield f"in the way: {obstacle}"
        if self.fits:
            yield "nothing to do: the table fits"


def plan_adoption(table: FoundTable) -> Plan:
    """Judge a table that exists; without obstacles the plan can be applied as it is."""
    found = {column.name: column for column in table.columns}
    ours = {column.name for column in COLUMNS}
    return Plan(
        # A table without drop numbers is not this table: the column is never added.
        add=tuple(c for c in COLUMNS if c.name not in found and c is not DROP),
        set_default=tuple(
            c
            for c in COLUMNS
            if c.default and c.name in found and not found[c.name].has_default
            if c.type == found[c.name].type
        ),
        make_primary_key=not table.has_primary_key,
        make_unique_index=not table.unique_on_drop,
        kept=tuple(c.name for c in table.columns if c.name not in ours),
        duplicates=table.duplicates,
        obstacles=tuple(_obstacles(table, found)),
    )


def _obstacles(table: FoundTable, found: dict[str, FoundColumn]) -> Iterator[str]:
    if not table.is_table:
        yield "public.qa_photo_reviews is no plain table"
    if not table.owned:
        yield f"the table belongs to {table.owner}: run this with a URL of that role"
    if DROP.name not in found:
        yield "the table has no column drop_number"
    yield from _columns_in_the_way(table.columns)
    if table.duplicates:
        rows = sum(duplicate.rows for duplicate in table.duplicates)
        yield (
            f"{len(table.duplicates)} drop numbers stand on {rows} rows, so drop_number cannot be"
            " unique: keep one row of each (a person decides which; nothing is deleted here)"
        )
    for fault, rows in table.faulty_rows:
        yield f"{fault} on {rows} rows"
    if not table.has_primary_key and table.repeated_ids:
        yield f"id is missing or repeated on {table.repeated_ids} rows, so it cannot be the key"


def _columns_in_the_way(columns: Sequence[FoundColumn]) -> Iterator[str]:
    ours = {column.name: column for column in COLUMNS}
    for column in columns:
        wanted = ours.get(column.name)
        if wanted is None:
            if not column.nullable and not column.has_default:
                yield f"{column.name} is not ours, and no row can be made without a value for it"
        elif not wanted.serves(column.type):
            yield f"{column.name} is {column.type}, and {wanted.type} is needed"
        elif (
            wanted is not DROP
            and (not column.nullable or column.name == "id")
            and not column.has_default
            and not (wanted.default and wanted.type == column.type)
        ):
            yield f"{column.name} must have a value and has no default"
