//! Directories survive their encoding, look as stock clients write them, and hostile ones are refused.

use crate::{
    BlobId, ExtendedAttribute, FileContent, FileMode, GenericAttributes, Metadata, Node, NodeKind, Tree,
    TreeId,
};
use jiff::Timestamp;
use proptest::prelude::*;

fn time() -> impl Strategy<Value = Timestamp> {
    (-60_000_000_000_i64..250_000_000_000, 0..1_000_000_000_i32)
        .prop_map(|(second, nano)| Timestamp::new(second, nano).unwrap())
}

fn kind() -> impl Strategy<Value = NodeKind> {
    let ids = prop::collection::vec(any::<[u8; 32]>().prop_map(BlobId::from_bytes), 0..4);
    prop_oneof![
        (ids, any::<u64>()).prop_map(|(ids, size)| NodeKind::File(FileContent { ids, size })),
        any::<Option<[u8; 32]>>().prop_map(|id| NodeKind::Dir { subtree: id.map(TreeId::from_bytes) }),
        prop::collection::vec(1..=255_u8, 1..20).prop_map(|target| NodeKind::Symlink { target }),
        any::<u64>().prop_map(|device| NodeKind::BlockDevice { device }),
        any::<u64>().prop_map(|device| NodeKind::CharDevice { device }),
        Just(NodeKind::Fifo),
        Just(NodeKind::Socket),
        Just(NodeKind::Other("irregular".to_owned())),
    ]
}

fn metadata() -> impl Strategy<Value = Metadata> {
    let owner = (any::<u32>(), any::<u32>(), ".{0,5}", ".{0,5}");
    let inode = (any::<u64>(), any::<u64>(), any::<u64>());
    let attributes = prop::collection::vec((".{1,9}", any::<Vec<u8>>()), 0..3);
    let generic = prop::collection::btree_map("[a-z.]{1,9}", any::<u32>(), 0..3);
    (any::<u32>(), [time(), time(), time()], owner, inode, attributes, generic, ".{0,9}").prop_map(
        |(mode, [mtime, atime, ctime], owner, inode, attributes, generic, error)| Metadata {
            mode: FileMode(mode),
            mtime,
            atime,
            ctime,
            uid: owner.0,
            gid: owner.1,
            user: owner.2,
            group: owner.3,
            inode: inode.0,
            device_id: inode.1,
            links: inode.2,
            extended_attributes: attributes
                .into_iter()
                .map(|(name, value)| ExtendedAttribute { name, value })
                .collect(),
            generic_attributes: GenericAttributes(
                generic
                    .into_iter()
                    .map(|(name, value)| (name, serde_json::value::to_raw_value(&value).unwrap()))
                    .collect(),
            ),
            error,
        },
    )
}

fn tree() -> impl Strategy<Value = Tree> {
    let name =
        prop::collection::vec(any::<u8>().prop_filter("a name", |b| !matches!(b, 0 | b'/' | b'.')), 1..20);
    prop::collection::btree_map(name, (kind(), metadata()), 0..6).prop_map(|nodes| {
        let nodes = nodes.into_iter().map(|(name, (kind, meta))| Node { name, kind, meta });
        Tree::new(nodes.collect()).unwrap()
    })
}

proptest! {
    #[test]
    fn any_directory_survives_its_blob(tree in tree()) {
        let plain = tree.encode().unwrap();

        let again = Tree::decode(&plain).unwrap();

        prop_assert_eq!(&again, &tree);
        prop_assert_eq!(again.encode().unwrap(), plain);
    }
}

#[test]
fn a_file_looks_as_stock_clients_write_it() {
    let time = "2026-01-02T03:04:05.678Z".parse().unwrap();
    let id = BlobId::of(b"abc");
    let node = Node::file("a<b>\n.json", &FileContent { ids: vec![id], size: 3 }, time);

    let plain = Tree::new(vec![node]).unwrap().encode().unwrap();

    let stamp = "2026-01-02T03:04:05.678Z";
    let expected = format!(
        "{{\"nodes\":[{{\"name\":\"a\\u003cb\\u003e\\\\n.json\",\"type\":\"file\",\"mode\":384,\
         \"mtime\":\"{stamp}\",\"atime\":\"{stamp}\",\"ctime\":\"{stamp}\",\"uid\":0,\"gid\":0,\"size\":3,\
         \"content\":[\"{id}\"]}}]}}\n"
    );
    assert_eq!(String::from_utf8(plain).unwrap(), expected);
}

#[test]
fn entries_are_sorted_and_found() {
    let node = |name: &str| Node::dir(name, TreeId::of(b"x"), Timestamp::UNIX_EPOCH);

    let tree = Tree::new(vec![node("b"), node("a"), node("B")]).unwrap();

    let names: Vec<_> = tree.nodes().iter().map(Node::name_lossy).collect();
    assert_eq!(names, ["B", "a", "b"]);
    assert!(tree.find(b"a").is_some() && tree.find(b"c").is_none());
    assert!(Tree::new(vec![node("a"), node("a")]).is_err());
}

#[test]
fn hostile_names_orders_and_shapes_are_refused() {
    let node = |name: &str| format!(r#"{{"name":"{name}","type":"fifo","content":null}}"#);
    let tree = |nodes: &[String]| Tree::decode(format!(r#"{{"nodes":[{}]}}"#, nodes.join(",")).as_bytes());

    assert!(tree(&[node("a"), node("b")]).is_ok());
    for name in ["", ".", "..", "a/b", "/", "a\\\\x00b", "\\\\x2e\\\\x2e", &"x".repeat(4097)] {
        assert!(tree(&[node(name)]).is_err(), "{name:?}");
    }
    assert!(tree(&[node("b"), node("a")]).is_err());
    assert!(tree(&[node("a"), node("a")]).is_err());
    assert!(Tree::decode(br#"{"nodes":null}"#).unwrap().nodes().is_empty());
    assert!(Tree::decode(format!("{{\"nodes\":{}", "[".repeat(100_000)).as_bytes()).is_err());
}

#[test]
fn a_raw_link_target_wins_over_its_text() {
    let target = b"caf\xe9\xff".to_vec();
    let kind = NodeKind::Symlink { target: target.clone() };
    let meta = Metadata::synthetic(FileMode::default(), Timestamp::UNIX_EPOCH);

    let plain = Tree::new(vec![Node { name: b"link".to_vec(), kind, meta }]).unwrap().encode().unwrap();

    let text = String::from_utf8(plain.clone()).unwrap();
    assert!(
        text.contains("\"linktarget\":\"caf\u{fffd}\u{fffd}\",\"linktarget_raw\":\"Y2Fm6f8=\""),
        "{text}"
    );
    assert_eq!(Tree::decode(&plain).unwrap().nodes()[0].kind, NodeKind::Symlink { target });
}
