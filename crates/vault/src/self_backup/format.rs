//! What a self-backup holds once it is opened: lines of JSON. First the [`Header`], then one array for each row, with the
//! table's name before its values, and last how many rows there are, so that a part of it is never taken for the whole.

use super::SelfBackupError;
use crate::store::whole::{Cell, Cells, Column, ColumnKind, TABLES, Table};
use base64::{Engine, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{collections::BTreeMap, fmt};

const FORMAT: &str = "cofferdam vault backup";
/// Grows when an older program could not read what is written.
pub const VERSION: u32 = 1;
/// No row is longer: documents of resources are bounded by the requests that bring them.
const LONGEST_LINE: usize = 64 * 1024 * 1024;

/// What it is, and what opens what is sealed in it.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Header {
    /// Always the same.
    pub format: String,
    /// [`VERSION`].
    pub version: u32,
    /// The program that wrote it.
    pub writer: String,
    /// Which moment it holds.
    pub taken_at: Timestamp,
    /// The vault's tenant.
    pub tenant: String,
    /// Fingerprint of the wrapping key with which secrets in it are sealed.
    pub wrapping_key: String,
    /// That key, where the file is sealed to a key of the operator too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wrapping_key_text: Option<String>,
    /// Columns by table, in the order of the rows' values.
    pub tables: BTreeMap<String, Vec<String>>,
    /// Files of the data directory that belong to it, by path there.
    #[serde(default)]
    pub files: BTreeMap<String, String>,
}

impl fmt::Debug for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Header({} of {})", self.taken_at, self.tenant)
    }
}

/// How many rows of each table there are.
pub type Counts = BTreeMap<String, u64>;

#[derive(Serialize, Deserialize)]
struct End {
    end: Counts,
}

/// Where a row goes: its table, and the columns that the file has of it.
#[derive(Debug, Clone)]
pub struct Shape {
    /// The table.
    pub table: &'static Table,
    /// Its columns, in the order of the values.
    pub columns: Vec<Column>,
}

impl Header {
    /// Of what is taken now.
    pub fn new(taken_at: Timestamp, tenant: String, wrapping_key: String) -> Self {
        let columns =
            |table: &Table| table.columns.iter().map(|(name, _)| (*name).to_owned()).collect::<Vec<_>>();
        Self {
            format: FORMAT.to_owned(),
            version: VERSION,
            writer: concat!("cofferdam ", env!("CARGO_PKG_VERSION")).to_owned(),
            taken_at,
            tenant,
            wrapping_key,
            wrapping_key_text: None,
            tables: TABLES.iter().map(|table| (table.name.to_owned(), columns(table))).collect(),
            files: BTreeMap::new(),
        }
    }

    /// The tables of the file. What this program does not know was written by a newer one; a column that the file lacks
    /// gets the value that the database gives it.
    fn shapes(&self) -> Result<BTreeMap<String, Shape>, SelfBackupError> {
        let newer = |what: String| SelfBackupError::Newer { what, writer: self.writer.clone() };
        if self.format != FORMAT {
            return Err(SelfBackupError::Shape("its first line is not that of a backup".to_owned()));
        }
        if self.version > VERSION {
            return Err(newer(format!("version {} of the format", self.version)));
        }
        let mut shapes = BTreeMap::new();
        for (name, columns) in &self.tables {
            let table = TABLES.iter().find(|table| table.name == name);
            let table = table.ok_or_else(|| newer(format!("the table {name}")))?;
            let column = |wanted: &String| {
                let found = table.columns.iter().find(|(known, _)| known == wanted);
                found.copied().ok_or_else(|| newer(format!("the column {name}.{wanted}")))
            };
            let columns = columns.iter().map(column).collect::<Result<_, _>>()?;
            shapes.insert(name.clone(), Shape { table, columns });
        }
        Ok(shapes)
    }
}

/// The first line.
pub fn header_line(header: &Header) -> Result<Vec<u8>, SelfBackupError> {
    line(header)
}

/// The line of a row.
pub fn row_line(table: &Table, cells: Cells) -> Result<Vec<u8>, SelfBackupError> {
    let value = |cell| match cell {
        Cell::Null => Value::Null,
        Cell::Text(text) => Value::String(text),
        Cell::Number(number) => json!(number),
        Cell::Bytes(bytes) => Value::String(STANDARD.encode(bytes)),
    };
    let values: Vec<Value> =
        std::iter::once(Value::from(table.name)).chain(cells.into_iter().map(value)).collect();
    line(&values)
}

/// The last line.
pub fn end_line(counts: &Counts) -> Result<Vec<u8>, SelfBackupError> {
    line(&End { end: counts.clone() })
}

fn line(value: &impl Serialize) -> Result<Vec<u8>, SelfBackupError> {
    let mut line = serde_json::to_vec(value).map_err(|error| SelfBackupError::Shape(error.to_string()))?;
    line.push(b'\n');
    Ok(line)
}

/// What a line says.
#[derive(Debug)]
pub enum Line {
    /// The first.
    Header(Box<Header>),
    /// A row.
    Row(Shape, Cells),
}

/// Reads lines, and that they are all there.
#[derive(Debug, Default)]
pub struct Lines {
    waiting: Vec<u8>,
    /// Of what waits, so much has no end of a line in it.
    looked: usize,
    shapes: Option<BTreeMap<String, Shape>>,
    counts: Counts,
    ended: bool,
}

impl Lines {
    /// Takes more text; the lines that are whole by now.
    pub fn more(&mut self, text: &[u8]) -> Result<Vec<Line>, SelfBackupError> {
        self.waiting.extend_from_slice(text);
        let mut lines = Vec::new();
        let mut begin = 0;
        while let Some(rest) = self.waiting.get(begin + self.looked..) {
            let Some(length) = rest.iter().position(|byte| *byte == b'\n') else {
                self.looked += rest.len();
                break;
            };
            let end = begin + self.looked + length;
            let line = self.waiting.get(begin..end).unwrap_or_default().to_vec();
            lines.extend(self.line(&line)?);
            begin = end + 1;
            self.looked = 0;
        }
        drop(self.waiting.drain(..begin));
        if self.waiting.len() > LONGEST_LINE {
            return Err(wrong("a line of it has no end"));
        }
        Ok(lines)
    }

    /// The text has ended: how many rows there were.
    pub fn end(self) -> Result<Counts, SelfBackupError> {
        if self.ended && self.waiting.is_empty() { Ok(self.counts) } else { Err(wrong("its end is missing")) }
    }

    fn line(&mut self, line: &[u8]) -> Result<Option<Line>, SelfBackupError> {
        let unreadable = |error: serde_json::Error| SelfBackupError::Shape(error.to_string());
        if self.ended {
            return Err(wrong("something follows its end"));
        }
        let Some(shapes) = &self.shapes else {
            let header: Header = serde_json::from_slice(line).map_err(unreadable)?;
            self.shapes = Some(header.shapes()?);
            return Ok(Some(Line::Header(Box::new(header))));
        };
        if line.first() == Some(&b'{') {
            let End { end } = serde_json::from_slice(line).map_err(unreadable)?;
            if end != self.counts {
                return Err(wrong("it has other rows than it says at its end"));
            }
            self.ended = true;
            return Ok(None);
        }
        let mut values = serde_json::from_slice::<Vec<Value>>(line).map_err(unreadable)?.into_iter();
        let name = values.next();
        let shape = name.as_ref().and_then(Value::as_str).and_then(|name| shapes.get(name));
        let shape = shape.ok_or_else(|| wrong("a row of it is of no table"))?.clone();
        if values.len() != shape.columns.len() {
            return Err(wrong("a row of it has not as many values as its table has columns"));
        }
        let cells = values.zip(&shape.columns).map(|(value, (_, kind))| cell(value, *kind)).collect();
        let cells: Option<Cells> = cells;
        let cells = cells.ok_or_else(|| wrong("a value of it is of another type than its column"))?;
        *self.counts.entry(shape.table.name.to_owned()).or_default() += 1;
        Ok(Some(Line::Row(shape, cells)))
    }
}

fn cell(value: Value, kind: ColumnKind) -> Option<Cell> {
    Some(match (value, kind) {
        (Value::Null, _) => Cell::Null,
        (Value::String(text), ColumnKind::Text) => Cell::Text(text),
        (Value::String(text), ColumnKind::Bytes) => Cell::Bytes(STANDARD.decode(text).ok()?),
        (Value::Number(number), ColumnKind::Number) => Cell::Number(number.as_i64()?),
        _ => return None,
    })
}

fn wrong(why: &str) -> SelfBackupError {
    SelfBackupError::Shape(why.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> Header {
        Header::new(Timestamp::UNIX_EPOCH, "t".to_owned(), "f".to_owned())
    }

    fn table(name: &str) -> &'static Table {
        TABLES.iter().find(|table| table.name == name).unwrap()
    }

    fn text() -> Vec<u8> {
        let keys = vec![Cell::Text("k".into()), Cell::Bytes(vec![0, 255, 10]), Cell::Number(-5)];
        let setting = vec![Cell::Text("a\nb".into()), Cell::Text(String::new())];
        let counts = Counts::from([("settings".to_owned(), 1), ("signing_keys".to_owned(), 1)]);
        [
            header_line(&header()).unwrap(),
            row_line(table("settings"), setting).unwrap(),
            row_line(table("signing_keys"), keys).unwrap(),
            end_line(&counts).unwrap(),
        ]
        .concat()
    }

    fn rows(text: &[u8], piece: usize) -> Result<(Vec<Cells>, Counts), SelfBackupError> {
        let (mut lines, mut rows) = (Lines::default(), Vec::new());
        for part in text.chunks(piece) {
            for line in lines.more(part)? {
                if let Line::Row(_, cells) = line {
                    rows.push(cells);
                }
            }
        }
        Ok((rows, lines.end()?))
    }

    #[test]
    fn rows_are_read_as_they_were_written_in_pieces_of_any_length() {
        for piece in [1, 7, 100, 100_000] {
            let (rows, counts) = rows(&text(), piece).unwrap();

            assert_eq!(rows[0], [Cell::Text("a\nb".into()), Cell::Text(String::new())]);
            assert_eq!(rows[1][1..], [Cell::Bytes(vec![0, 255, 10]), Cell::Number(-5)]);
            assert_eq!(counts.values().sum::<u64>(), 2);
        }
    }

    #[test]
    fn a_part_is_not_taken_for_the_whole() {
        let text = text();
        let lines: Vec<&[u8]> = text.split_inclusive(|byte| *byte == b'\n').collect();

        let without_end = lines[..3].concat();
        let without_a_row = [lines[0], lines[1], lines[3]].concat();
        let with_more = [text.as_slice(), lines[1]].concat();

        for wrong in [without_end, without_a_row, with_more, text[..text.len() - 1].to_vec()] {
            assert!(matches!(rows(&wrong, 1_000), Err(SelfBackupError::Shape(_))));
        }
    }

    #[test]
    fn what_a_newer_program_wrote_is_refused_and_a_column_that_an_older_one_lacked_is_not() {
        let mut version = header();
        version.version = VERSION + 1;
        let (mut column, mut more, mut older) = (header(), header(), header());
        column.tables.get_mut("settings").unwrap().push("colour".to_owned());
        more.tables.insert("portals".to_owned(), Vec::new());
        older.tables.get_mut("operations").unwrap().pop();

        for newer in [version, column, more] {
            assert!(matches!(newer.shapes(), Err(SelfBackupError::Newer { .. })), "{newer:?}");
        }
        assert_eq!(older.shapes().unwrap()["operations"].columns.len(), 8);
    }
}
