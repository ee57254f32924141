use super::*;

/// A built-in list: envelope first, items without `apiVersion` and `kind`.
const BUILT_IN: &str = r#"{"kind":"ConfigMapList","apiVersion":"v1","metadata":{"resourceVersion":"42","continue":"abc","remainingItemCount":7},"items":[{"metadata":{"name":"a"},"data":{"x":"} ] , \" \\"}},{"metadata":{"name":"ü ]"},"data":{"y":"\\\\\""}} , {}]}
"#;

/// A list of custom resources: keys in alphabetical order, so the envelope's rest comes last.
const CUSTOM: &str = r#" { "apiVersion" : "x.io/v1" , "extra" : [ { "a" : [ ] } , 1.5e3 , null ] , "flag":true, "items" : [ {"apiVersion":"x.io/v1","kind":"X","spec":{"n":[1,[2,{"k":[]}]]}} , {"kind":"X"} ] , "kind" : "XList" , "metadata" : { "resourceVersion" : "9" } } "#;

fn split_in(pieces: &[&[u8]], limit: usize) -> Result<(Vec<String>, Envelope), SplitError> {
    let mut splitter = Splitter::new(limit);
    let mut items = Vec::new();
    for piece in pieces {
        splitter.feed(&Bytes::copy_from_slice(piece), &mut items)?;
    }
    let items = items.iter().map(|item| String::from_utf8(item.to_vec()).unwrap()).collect();
    Ok((items, splitter.finish()?))
}

fn split(document: &str) -> Result<(Vec<String>, Envelope), SplitError> {
    split_in(&[document.as_bytes()], 1024)
}

#[test]
fn items_come_out_byte_for_byte() {
    let (items, envelope) = split(BUILT_IN).unwrap();

    assert_eq!(
        items,
        [
            r#"{"metadata":{"name":"a"},"data":{"x":"} ] , \" \\"}}"#,
            r#"{"metadata":{"name":"ü ]"},"data":{"y":"\\\\\""}}"#,
            "{}"
        ]
    );
    assert_eq!((envelope.api_version.as_str(), envelope.kind.as_str()), ("v1", "ConfigMapList"));
    assert_eq!((envelope.resource_version.as_str(), envelope.next.as_str()), ("42", "abc"));
    assert_eq!(envelope.remaining, Some(7));
}

#[test]
fn the_envelope_may_come_last() {
    let (items, envelope) = split(CUSTOM).unwrap();

    assert_eq!(
        items,
        [r#"{"apiVersion":"x.io/v1","kind":"X","spec":{"n":[1,[2,{"k":[]}]]}}"#, r#"{"kind":"X"}"#]
    );
    assert_eq!((envelope.kind.as_str(), envelope.resource_version.as_str()), ("XList", "9"));
    assert_eq!((envelope.next.as_str(), envelope.remaining), ("", None));
}

#[test]
fn cutting_the_document_anywhere_changes_nothing() {
    for document in [BUILT_IN, CUSTOM] {
        let whole = split(document).unwrap();
        let bytes = document.as_bytes();

        for first in 0..=bytes.len() {
            for second in [first, first + 1, first + 7, bytes.len()] {
                let (first, second) = (first.min(bytes.len()), second.min(bytes.len()));
                let pieces = [&bytes[..first], &bytes[first..second], &bytes[second..]];
                assert_eq!(split_in(&pieces, 1024).unwrap(), whole, "cut at {first} and {second}");
            }
        }
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(split_in(&single, 1024).unwrap(), whole, "byte by byte");
    }
}

#[test]
fn an_item_within_one_piece_is_not_copied() {
    let piece = Bytes::from(BUILT_IN);
    let mut items = Vec::new();

    Splitter::new(1024).feed(&piece, &mut items).unwrap();

    let start = piece.as_ptr() as usize;
    for item in items {
        assert!((start..start + piece.len()).contains(&(item.as_ptr() as usize)));
    }
}

#[test]
fn a_document_that_ends_early_is_never_mistaken_for_a_whole_one() {
    let document = BUILT_IN.trim_end();
    for length in 0..document.len() {
        let result = split_in(&[&document.as_bytes()[..length]], 1024);
        assert_eq!(result.unwrap_err(), SplitError::Truncated, "after {length} bytes");
    }
}

#[test]
fn a_list_without_items_is_empty() {
    for items in ["[]", "[ ]", "null"] {
        let (found, _) = split(&format!(r#"{{"kind":"PodList","items":{items}}}"#)).unwrap();
        assert!(found.is_empty());
    }
}

#[test]
fn what_is_not_a_list_is_refused() {
    for document in [
        r#"{"kind":"Status","status":"Failure"}"#,
        "[]",
        "service unavailable",
        r#"{"items":[1]}"#,
        r#"{"items":[{} {}]}"#,
        r#"{"items":[{},]}"#,
        r#"{"items":[,{}]}"#,
        r#"{"items":[]}}"#,
        r#"{"items":[],}"#,
        r#"{"items" []}"#,
        r#"{items:[]}"#,
        r#"{"items":[],"metadata":7}"#,
        r#"{"items":[],"kind":7}"#,
        r#"{"items":7,"items":[]"#,
    ] {
        assert!(split(document).is_err(), "{document}");
    }
}

#[test]
fn an_item_above_the_limit_is_refused_however_it_arrives() {
    let document = format!(r#"{{"items":[{{"x":"{}"}}]}}"#, "y".repeat(100));
    let single: Vec<&[u8]> = document.as_bytes().chunks(1).collect();

    assert_eq!(split_in(&[document.as_bytes()], 107).unwrap_err(), SplitError::TooLong { limit: 107 });
    assert_eq!(split_in(&single, 107).unwrap_err(), SplitError::TooLong { limit: 107 });
    assert!(split_in(&single, 108).is_ok());
}

#[test]
fn an_endless_envelope_is_refused() {
    let endless = format!(r#"{{"metadata":{{"x":"{}"#, "y".repeat(2 * ENVELOPE_LIMIT));

    assert!(matches!(split(&endless).unwrap_err(), SplitError::NotAList(_)));
}
