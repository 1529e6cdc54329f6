//! The statements of PostgreSQL's writing transaction. Each is sent once for a whole batch of
//! commits, because each statement waits for a response; and each is a `QueryFragment` of its own,
//! because diesel keeps those prepared, but not the statements of `sql` and `sql_query`.

use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{Array, BigInt, Bool, Nullable, Text};

use super::super::chain;
use super::super::new_rows::NewRows;
use super::super::numbers::{RevisionNumber, StoredMeasure, TimestampMicros};
use super::super::outcome::BatchChecks;
use super::super::rows::{IdempotencyRow, KeyName, LedgerHead, ObservationRow};
use super::{Db, reads};

/// Rows in one statement, which must end within the time limit of a step. A row with texts counts
/// as one more for each KiB of them.
const ROWS_A_STATEMENT: usize = 20_000;
/// The time of the server's clock: of the statement, not of the start of the transaction.
pub const CLOCK: &str = "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint";

/// Makes a statement out of a struct without parts of its own.
macro_rules! runnable {
    ($($statement:ty),*) => {$(
        impl QueryId for $statement {
            type QueryId = ();
            // Kept prepared by its text.
            const HAS_STATIC_QUERY_ID: bool = false;
        }

        impl RunQueryDsl<Db> for $statement {}
    )*};
}

runnable!(NewestAndClock, Responses<'_>, Checks<'_>, Insert<'_>);

/// Reads the server's time and the newest revision.
struct NewestAndClock;

impl Query for NewestAndClock {
    type SqlType = (BigInt, Nullable<BigInt>, Nullable<BigInt>, Nullable<Text>);
}

impl QueryFragment<Pg> for NewestAndClock {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("SELECT ");
        out.push_sql(CLOCK);
        out.push_sql(
            ", revision, recorded_at, hash FROM (SELECT) AS one LEFT JOIN (SELECT revision, \
             recorded_at, hash FROM revisions ORDER BY revision DESC LIMIT 1) AS newest ON true",
        );
        Ok(())
    }
}

/// The server's time, and the newest revision with its hash.
pub fn clock_and_newest(db: &mut Db) -> QueryResult<(TimestampMicros, (LedgerHead, chain::Hash))> {
    type Found = (TimestampMicros, Option<RevisionNumber>, Option<TimestampMicros>, Option<String>);
    let (time, revision, recorded_at, hash): Found = NewestAndClock.get_result(db)?;
    let newest = revision.zip(recorded_at).map_or_else(
        || Ok((LedgerHead::default(), chain::beginning())),
        |(revision, recorded_at)| {
            let hash = reads::read_hash(revision, hash.as_deref())?;
            Ok((LedgerHead { revision, recorded_at }, hash))
        },
    );
    newest.map(|newest| (time, newest))
}

/// The rows of `idempotency_keys` with certain keys.
struct NamedKeys<'b> {
    holders: Vec<&'b str>,
    targets: Vec<&'b str>,
    keys: Vec<&'b str>,
}

impl<'b> NamedKeys<'b> {
    fn of(names: impl Iterator<Item = KeyName<'b>>) -> Self {
        let mut named = Self { holders: Vec::new(), targets: Vec::new(), keys: Vec::new() };
        for KeyName { holder, target, key } in names {
            named.holders.push(holder);
            named.targets.push(target);
            named.keys.push(key);
        }
        named
    }
}

impl QueryFragment<Pg> for NamedKeys<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let mut before = " FROM unnest(";
        for texts in [&self.holders, &self.targets, &self.keys] {
            out.push_sql(before);
            out.push_bind_param::<Array<Text>, _>(texts)?;
            before = ", ";
        }
        out.push_sql(
            ") AS named (holder, target, key) JOIN idempotency_keys USING (holder, target, key)",
        );
        Ok(())
    }
}

/// Reads the stored responses to keys.
struct Responses<'b>(NamedKeys<'b>);

impl Query for Responses<'_> {
    type SqlType = (Text, Text, Text, Text, BigInt, Text);
}

impl QueryFragment<Pg> for Responses<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("SELECT holder, target, key, body_hash, recorded_at, answer");
        self.0.walk_ast(out)
    }
}

/// The stored responses to keys, in any order.
pub fn responses(db: &mut Db, names: &[KeyName<'_>]) -> QueryResult<Vec<IdempotencyRow>> {
    Responses(NamedKeys::of(names.iter().copied())).load(db)
}

/// Looks up whether keys have a response, and counts measures of the dictionary.
struct Checks<'b> {
    keys: NamedKeys<'b>,
    measures: &'b [StoredMeasure],
}

impl Query for Checks<'_> {
    type SqlType = (Bool, BigInt);
}

impl QueryFragment<Pg> for Checks<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("SELECT EXISTS (SELECT");
        self.keys.walk_ast(out.reborrow())?;
        out.push_sql("), (SELECT count(*) FROM measures WHERE id = ANY (");
        out.push_bind_param::<Array<BigInt>, _>(self.measures)?;
        out.push_sql("))");
        Ok(())
    }
}

/// Looks up what could keep a batch from being written. No rows of a later revision can do so,
/// because the triggers accept rows only in the transaction of their revision.
pub fn check(
    db: &mut Db,
    _head: RevisionNumber,
    keys: &[IdempotencyRow],
    measures: &[StoredMeasure],
) -> QueryResult<BatchChecks> {
    let checks = Checks { keys: NamedKeys::of(keys.iter().map(IdempotencyRow::name)), measures };
    let (is_key_taken, known): (bool, i64) = checks.get_result(db)?;
    let measures = usize::try_from(known).unwrap_or(0);
    Ok(BatchChecks { is_key_taken, is_next_taken: false, measures })
}

/// The values of a column, one for each row.
enum Values<'b> {
    Numbers(Vec<i64>),
    OptionalNumbers(Vec<Option<i64>>),
    Texts(Vec<&'b str>),
    OptionalTexts(Vec<Option<&'b str>>),
}

/// The rows of a table, by column.
struct InsertedRows<'b> {
    table: &'static str,
    columns: Vec<(&'static str, Values<'b>)>,
}

/// Lists the columns of rows: `columns!(rows; "name" Numbers(|row| row.number))`.
macro_rules! columns {
    ($rows:expr; $($name:literal $kind:ident($value:expr)),* $(,)?) => {
        vec![$(($name, Values::$kind($rows.iter().map($value).collect()))),*]
    };
}

/// Inserts rows into several tables. Foreign keys and triggers are checked at its end, so the order
/// of its tables does not matter.
struct Insert<'b>(Vec<InsertedRows<'b>>);

impl QueryFragment<Pg> for Insert<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        for (place, rows) in self.0.iter().enumerate() {
            out.push_sql(if place == 0 { "WITH " } else { ", " });
            out.push_identifier(&format!("new_{}", rows.table))?;
            out.push_sql(" AS (");
            rows.walk_ast(out.reborrow())?;
            out.push_sql(")");
        }
        out.push_sql(" SELECT");
        Ok(())
    }
}

impl QueryFragment<Pg> for InsertedRows<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("INSERT INTO ");
        out.push_identifier(self.table)?;
        let mut before = " (";
        for (name, _) in &self.columns {
            out.push_sql(before);
            out.push_identifier(name)?;
            before = ", ";
        }
        before = ") SELECT * FROM unnest(";
        for (_, values) in &self.columns {
            out.push_sql(before);
            match values {
                Values::Numbers(values) => out.push_bind_param::<Array<BigInt>, _>(values)?,
                Values::OptionalNumbers(values) => {
                    out.push_bind_param::<Array<Nullable<BigInt>>, _>(values)?
                }
                Values::Texts(values) => out.push_bind_param::<Array<Text>, _>(values)?,
                Values::OptionalTexts(values) => {
                    out.push_bind_param::<Array<Nullable<Text>>, _>(values)?
                }
            }
            before = ", ";
        }
        out.push_sql(")");
        Ok(())
    }
}

impl<'b> InsertedRows<'b> {
    fn of_observations(rows: &[ObservationRow]) -> Self {
        Self {
            table: "observations",
            columns: columns![rows;
                "revision" Numbers(|row| row.revision.get()),
                "unit" Numbers(|row| row.unit.get()),
                "measure" Numbers(|row| row.measure.get()),
                "month" Numbers(|row| row.month.get()),
                "mantissa" OptionalNumbers(|row| row.mantissa),
                "scale" Numbers(|row| row.scale),
            ],
        }
    }

    /// The rows of all tables but `observations`.
    fn of_other_tables(rows: &'b NewRows<'_>) -> [Self; 10] {
        let table = |table, columns| Self { table, columns };
        [
            table(
                "idempotency_keys",
                columns![rows.keys;
                    "holder" Texts(|row| row.holder.as_str()),
                    "target" Texts(|row| row.target.as_str()),
                    "key" Texts(|row| row.key.as_str()),
                    "body_hash" Texts(|row| row.body_hash.as_str()),
                    "recorded_at" Numbers(|row| row.recorded_at.get()),
                    "answer" Texts(|row| row.answer.as_str()),
                ],
            ),
            table(
                "revisions",
                columns![rows.revisions;
                    "revision" Numbers(|row| row.revision.get()),
                    "recorded_at" Numbers(|row| row.recorded_at.get()),
                    "kind" Texts(|row| row.kind.as_str()),
                    "actor" Texts(|row| row.actor.as_str()),
                    "reason" OptionalTexts(|row| row.reason.as_deref()),
                    "hash" OptionalTexts(|row| row.hash.as_deref()),
                    "origin" OptionalTexts(|row| row.origin.as_deref()),
                ],
            ),
            table(
                "submissions",
                columns![rows.submissions;
                    "id" Texts(|new| new.row.id.as_str()),
                    "revision" Numbers(|new| new.revision.get()),
                    "source_kind" Texts(|new| new.row.source_kind.as_str()),
                    "reference" OptionalTexts(|new| new.row.reference.as_deref()),
                    "created" Numbers(|new| new.row.created),
                    "revised" Numbers(|new| new.row.revised),
                    "unchanged" Numbers(|new| new.row.unchanged),
                    "withdrawn" Numbers(|new| new.row.withdrawn),
                    "findings" Texts(|new| new.row.findings.as_str()),
                    "withdraws" OptionalTexts(|new| new.row.withdraws.as_deref()),
                ],
            ),
            table(
                "measures",
                columns![rows.measures;
                    "id" Numbers(|new| new.row.id.get()),
                    "code" Texts(|new| new.row.code.as_str()),
                    "members" Texts(|new| new.row.members.as_str()),
                    "revision" Numbers(|new| new.revision.get()),
                ],
            ),
            table(
                "unit_numbers",
                columns![rows.units;
                    "number" Numbers(|new| new.number.get()),
                    "code" Texts(|new| new.code.as_str()),
                    "revision" Numbers(|new| new.revision.get()),
                ],
            ),
            table(
                "unit_versions",
                columns![rows.versions;
                    "unit" Numbers(|new| new.unit.get()),
                    "revision" Numbers(|new| new.revision.get()),
                    "document" Texts(|new| new.document.as_str()),
                ],
            ),
            table(
                "declarations",
                columns![rows.declarations;
                    "revision" Numbers(|row| row.revision.get()),
                    "kind" Texts(|row| row.kind.as_str()),
                    "code" Texts(|row| row.code.as_str()),
                    "document" OptionalTexts(|row| row.document.as_deref()),
                ],
            ),
            table(
                "catalogue_versions",
                columns![rows.catalogues;
                    "version" Numbers(|new| new.version),
                    "revision" Numbers(|new| new.revision.get()),
                    "document" Texts(|new| new.document.as_str()),
                ],
            ),
            table(
                "closings",
                columns![rows.closings;
                    "revision" Numbers(|new| new.revision.get()),
                    "month" Numbers(|new| new.month.get()),
                    "closed" Numbers(|new| new.closed),
                ],
            ),
            table(
                "touched_units",
                columns![rows.touched;
                    "unit" Numbers(|row| row.unit.get()),
                    "revision" Numbers(|row| row.revision.get()),
                ],
            ),
        ]
    }

    fn len(&self) -> usize {
        self.columns.first().map_or(0, |(_, values)| values.len())
    }

    /// How many rows a row counts as.
    fn weight(&self, place: usize) -> usize {
        let bytes = self.columns.iter().map(|(_, values)| values.text_bytes(place));
        1 + bytes.sum::<usize>() / 1_024
    }

    /// The number of first rows that count as at most `room` rows, and as how many they count.
    fn fitting(&self, room: usize) -> (usize, usize) {
        let mut weight = 0;
        for count in 0..self.len() {
            let next = weight + self.weight(count);
            if next > room {
                return (count, weight);
            }
            weight = next;
        }
        (self.len(), weight)
    }

    /// Removes the first rows.
    fn take(&mut self, count: usize) -> Self {
        let columns = self.columns.iter_mut().map(|(name, values)| (*name, values.take(count)));
        Self { table: self.table, columns: columns.collect() }
    }
}

impl Values<'_> {
    fn len(&self) -> usize {
        match self {
            Self::Numbers(values) => values.len(),
            Self::OptionalNumbers(values) => values.len(),
            Self::Texts(values) => values.len(),
            Self::OptionalTexts(values) => values.len(),
        }
    }

    fn text_bytes(&self, place: usize) -> usize {
        match self {
            Self::Numbers(_) | Self::OptionalNumbers(_) => 0,
            Self::Texts(values) => values.get(place).map_or(0, |text| text.len()),
            Self::OptionalTexts(values) => values.get(place).copied().flatten().map_or(0, str::len),
        }
    }

    /// Removes the first values.
    fn take(&mut self, count: usize) -> Self {
        match self {
            Self::Numbers(values) => Self::Numbers(take(values, count)),
            Self::OptionalNumbers(values) => Self::OptionalNumbers(take(values, count)),
            Self::Texts(values) => Self::Texts(take(values, count)),
            Self::OptionalTexts(values) => Self::OptionalTexts(take(values, count)),
        }
    }
}

/// Removes the first values; nothing is copied when these are all.
fn take<T>(values: &mut Vec<T>, count: usize) -> Vec<T> {
    let rest = values.split_off(count.min(values.len()));
    std::mem::replace(values, rest)
}

/// Inserts the rows of a batch: all in one statement, if they are not too many. A row comes with
/// those to which it refers, or after them.
pub fn insert(db: &mut Db, rows: &NewRows<'_>) -> QueryResult<()> {
    let mut tables = Vec::from(InsertedRows::of_other_tables(rows));
    tables.push(InsertedRows::of_observations(&rows.observations));
    let (mut statement, mut room) = (Vec::new(), ROWS_A_STATEMENT);
    for mut table in tables {
        while table.len() > 0 {
            let (mut count, weight) = table.fitting(room);
            if count == 0 && statement.is_empty() {
                count = 1; // a row that is too large for any statement
            }
            if count > 0 {
                statement.push(table.take(count));
                room = room.saturating_sub(weight);
            }
            if table.len() > 0 {
                Insert(std::mem::take(&mut statement)).execute(db)?;
                room = ROWS_A_STATEMENT;
            }
        }
    }
    if !statement.is_empty() {
        Insert(statement).execute(db)?;
    }
    Ok(())
}
