//! Jobs as a workbook that spreadsheet programs open: one sheet of texts, in an archive that compresses nothing.
//! Reference: ECMA-376, Office Open XML.

use serde_json::Value;

const COLUMNS: [(&str, &str); 12] = [
    ("Job", "/name"),
    ("Operation", "/properties/operation"),
    ("Category", "/properties/operationCategory"),
    ("Status", "/properties/status"),
    ("Backup instance", "/properties/backupInstanceFriendlyName"),
    ("Data source", "/properties/dataSourceId"),
    ("Policy", "/properties/policyName"),
    ("Started", "/properties/startTime"),
    ("Ended", "/properties/endTime"),
    ("Duration", "/properties/duration"),
    ("By a person", "/properties/isUserTriggered"),
    ("First error", "/properties/errorDetails/0/message"),
];

const TYPES: &str = r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" ContentType="application/xml"/><Override PartName="/xl/workbook.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/><Override PartName="/xl/worksheets/sheet1.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/></Types>"#;
const ROOT: &str = r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="xl/workbook.xml"/></Relationships>"#;
const BOOK: &str = r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets><sheet name="Jobs" sheetId="1" r:id="rId1"/></sheets></workbook>"#;
const OF_BOOK: &str = r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" Target="worksheets/sheet1.xml"/></Relationships>"#;

/// The workbook.
pub fn of_jobs(jobs: &[Value]) -> Vec<u8> {
    let mut sheet = String::from(
        r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>"#,
    );
    row(&mut sheet, COLUMNS.iter().map(|(title, _)| (*title).to_owned()));
    for job in jobs {
        row(&mut sheet, COLUMNS.iter().map(|(_, pointer)| text(job.pointer(pointer))));
    }
    sheet.push_str("</sheetData></worksheet>");
    archive(&[
        ("[Content_Types].xml", TYPES.as_bytes()),
        ("_rels/.rels", ROOT.as_bytes()),
        ("xl/workbook.xml", BOOK.as_bytes()),
        ("xl/_rels/workbook.xml.rels", OF_BOOK.as_bytes()),
        ("xl/worksheets/sheet1.xml", sheet.as_bytes()),
    ])
}

fn text(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

/// Cells are texts, never formulas: what a cluster says is not carried out by whoever opens the file.
fn row(sheet: &mut String, cells: impl Iterator<Item = String>) {
    sheet.push_str("<row>");
    for cell in cells {
        sheet.push_str(r#"<c t="inlineStr"><is><t xml:space="preserve">"#);
        for c in cell.chars().take(30_000) {
            match c {
                '&' => sheet.push_str("&amp;"),
                '<' => sheet.push_str("&lt;"),
                '>' => sheet.push_str("&gt;"),
                '\n' | '\t' => sheet.push(c),
                // XML has no place for other control characters and for the two last of a plane.
                c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => {}
                c => sheet.push(c),
            }
        }
        sheet.push_str("</t></is></c>");
    }
    sheet.push_str("</row>");
}

/// A zip archive of stored files. Source: PKWARE's application note, 4.3.
fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut all, mut directory) = (Vec::new(), Vec::new());
    let four = |number: usize| u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes();
    let two = |number: usize| u16::try_from(number).unwrap_or(u16::MAX).to_le_bytes();
    for (name, bytes) in files {
        let at = all.len();
        // Version 2.0, no flags, stored, the first day that the format knows.
        let mut common = vec![20, 0, 0, 0, 0, 0, 0, 0, 0x21, 0];
        common.extend(crc32(bytes).to_le_bytes());
        common.extend(four(bytes.len()));
        common.extend(four(bytes.len()));
        common.extend(two(name.len()));
        common.extend([0, 0]);
        all.extend(b"PK\x03\x04");
        all.extend(&common);
        all.extend(name.as_bytes());
        all.extend(*bytes);
        directory.extend(b"PK\x01\x02\x14\x00");
        directory.extend(&common);
        directory.extend([0; 10]);
        directory.extend(four(at));
        directory.extend(name.as_bytes());
    }
    let at = all.len();
    all.extend(&directory);
    all.extend(b"PK\x05\x06\x00\x00\x00\x00");
    all.extend(two(files.len()));
    all.extend(two(files.len()));
    all.extend(four(directory.len()));
    all.extend(four(at));
    all.extend([0, 0]);
    all
}

fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, byte: &u8| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg()))
    };
    !bytes.iter().fold(!0, step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_those_of_the_format() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn what_a_cluster_says_stays_a_text() {
        let mut sheet = String::new();

        row(&mut sheet, ["=1+1 <b>\u{7}&".to_owned()].into_iter());

        let cell = r#"<c t="inlineStr"><is><t xml:space="preserve">=1+1 &lt;b&gt;&amp;</t></is></c>"#;
        assert_eq!(sheet, format!("<row>{cell}</row>"));
    }
}
