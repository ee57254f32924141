//! `object_store`'s Azure client with a bearer token: what it sends, and what it makes of the answers.

mod world;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::{
    Attribute, Attributes, Error, GetOptions, GetRange, ObjectStore, ObjectStoreExt, PutMode, PutOptions,
    PutPayload, UpdateVersion, WriteMultipart, path::Path,
};
use world::{TOKEN, World};

async fn store() -> (World, impl ObjectStore) {
    let world = World::start().await;
    world.create_container("box").await;
    let store = world.object_store("box", TOKEN);
    (world, store)
}

fn at(text: &str) -> Path {
    Path::parse(text).unwrap()
}

async fn names(
    list: impl futures::Stream<Item = object_store::Result<object_store::ObjectMeta>>,
) -> Vec<String> {
    list.map_ok(|meta| meta.location.to_string()).try_collect().await.unwrap()
}

#[tokio::test]
async fn a_blob_is_created_once_and_changed_only_over_its_known_state() {
    let (_world, store) = store().await;
    let put =
        async |data: &'static str, mode: PutMode| store.put_opts(&at("a/b"), data.into(), mode.into()).await;

    let made = put("one", PutMode::Create).await.unwrap();
    let again = put("two", PutMode::Create).await.unwrap_err();
    let changed = put("three", PutMode::Update(UpdateVersion::from(made.clone()))).await.unwrap();
    let stale = put("four", PutMode::Update(UpdateVersion::from(made.clone()))).await.unwrap_err();
    let absent = store.put_opts(&at("none"), "x".into(), PutMode::Update(made.clone().into()).into()).await;

    assert!(matches!(again, Error::AlreadyExists { .. }), "{again}");
    assert!(matches!(stale, Error::Precondition { .. }), "{stale}");
    assert!(matches!(absent, Err(Error::Precondition { .. })), "{absent:?}");
    assert_ne!(made.e_tag, changed.e_tag);
    let head = store.head(&at("a/b")).await.unwrap();
    assert_eq!((head.e_tag, head.size), (changed.e_tag, 5));
    assert_eq!(store.get(&at("a/b")).await.unwrap().bytes().await.unwrap(), "three");
}

#[tokio::test]
async fn parts_in_any_order_make_one_blob_and_a_given_up_upload_leaves_nothing() {
    let (world, store) = store().await;
    let piece = |n: u8| Bytes::from(vec![n; 5 * 1024 * 1024]);

    let mut upload = store.put_multipart(&at("big")).await.unwrap();
    let (two, one) = {
        let first = upload.put_part(piece(1).into());
        let second = upload.put_part(piece(2).into());
        (second.await, first.await)
    };
    two.unwrap();
    one.unwrap();
    let before = names(store.list(None)).await;
    upload.complete().await.unwrap();
    let mut lost = store.put_multipart(&at("lost")).await.unwrap();
    lost.put_part(piece(3).into()).await.unwrap();
    lost.abort().await.unwrap();
    let mut writer =
        WriteMultipart::new_with_chunk_size(store.put_multipart(&at("many")).await.unwrap(), 100_000);
    (0..30).for_each(|n| writer.write(&[n; 50_000]));
    writer.finish().await.unwrap();

    assert_eq!(before, Vec::<String>::new());
    assert_eq!(names(store.list(None)).await, ["big", "many"]);
    let big = store.get(&at("big")).await.unwrap().bytes().await.unwrap();
    assert!(big.len() == 10 * 1024 * 1024 && big.starts_with(&[1]) && big.ends_with(&[2]));
    let many = store.get(&at("many")).await.unwrap().bytes().await.unwrap();
    assert!((0..30_u8).all(|n| many[usize::from(n) * 50_000..][..50_000] == [n; 50_000]));
    // Blocks wait on the disk until they are swept; those of finished blobs are gone.
    let waiting: Vec<_> = walk(&world.files("box").join(".cofferdam-blocks"));
    assert_eq!(waiting.len(), 1, "{waiting:?}");
}

fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(walk(&path)) } else { found.push(path) }
    }
    found
}

#[tokio::test]
async fn ranges_and_conditions_of_a_read_are_kept() {
    let (_world, store) = store().await;
    let data: Vec<u8> = (0..=255).cycle().take(3_000_000).collect();
    let put = store.put(&at("file"), PutPayload::from(data.clone())).await.unwrap();
    let get = async |options: GetOptions| store.get_opts(&Path::from("file"), options).await;

    for range in [0..1, 0..3_000_000, 2_999_999..3_000_000, 1_048_575..1_048_577, 5..2_500_000_u64] {
        let got = store.get_range(&at("file"), range.clone()).await.unwrap();
        assert!(got == data[range.start as usize..range.end as usize], "{range:?}");
    }
    let tail =
        get(GetOptions { range: Some(GetRange::Offset(2_999_000)), ..GetOptions::default() }).await.unwrap();
    assert_eq!(tail.bytes().await.unwrap(), &data[2_999_000..]);
    assert!(store.get_range(&at("file"), 3_000_000..3_000_001).await.is_err());
    let pieces = store.get_ranges(&at("file"), &[0..10, 100..200, 2_000_000..2_000_010]).await.unwrap();
    assert_eq!(pieces[2], &data[2_000_000..2_000_010]);

    let known = GetOptions { if_none_match: put.e_tag.clone(), ..GetOptions::default() };
    assert!(matches!(get(known).await, Err(Error::NotModified { .. })));
    let same = GetOptions { if_match: put.e_tag, ..GetOptions::default() };
    get(same).await.unwrap();
    let other = GetOptions { if_match: Some("\"other\"".into()), ..GetOptions::default() };
    assert!(matches!(get(other).await, Err(Error::Precondition { .. })));
    let absent = store.get(&at("absent")).await.unwrap_err();
    assert!(matches!(absent, Error::NotFound { .. }), "{absent}");
}

#[tokio::test]
async fn lists_show_names_folders_and_what_lies_behind_a_name() {
    let (_world, store) = store().await;
    for name in ["a/1", "a/2/x", "a/2/y", "a-b", "b", "ünï/код", "with space/x", "per%cent", "amp&<>'\""]
    {
        store.put(&Path::parse(name).unwrap(), "x".into()).await.unwrap();
    }

    let all = names(store.list(None)).await;
    let some = names(store.list(Some(&at("a")))).await;
    let behind = names(store.list_with_offset(None, &at("a/2/x"))).await;
    let top = store.list_with_delimiter(None).await.unwrap();
    let inside = store.list_with_delimiter(Some(&at("a"))).await.unwrap();

    let mut wanted =
        vec!["a-b", "a/1", "a/2/x", "a/2/y", "amp&<>'\"", "b", "per%cent", "with space/x", "ünï/код"];
    wanted.sort_unstable();
    assert_eq!(all, wanted);
    assert_eq!(some, ["a/1", "a/2/x", "a/2/y"]);
    assert_eq!(behind, &wanted[3..]);
    let folders: Vec<&str> = top.common_prefixes.iter().map(AsRef::as_ref).collect();
    assert_eq!(folders, ["a", "with space", "ünï"]);
    assert_eq!(top.objects.len(), 4);
    assert_eq!(inside.common_prefixes, [at("a/2")]);
    assert_eq!(inside.objects[0].location, at("a/1"));
}

#[tokio::test]
async fn many_blobs_are_deleted_in_batches_and_absent_ones_are_told() {
    let (_world, store) = store().await;
    let given: Vec<Path> = (0..300).map(|n| at(&format!("some/{n} x"))).collect();
    for path in &given {
        store.put(path, "x".into()).await.unwrap();
    }
    store.put(&at("kept"), "x".into()).await.unwrap();
    let asked = given.iter().cloned().chain([at("absent")]).map(Ok);

    let told: Vec<_> = store.delete_stream(stream::iter(asked.collect::<Vec<_>>()).boxed()).collect().await;

    assert_eq!(told.iter().filter(|result| result.is_ok()).count(), 300);
    assert!(matches!(told.last(), Some(Err(Error::NotFound { .. }))), "{:?}", told.last());
    assert_eq!(names(store.list(None)).await, ["kept"]);
}

#[tokio::test]
async fn copies_and_renames_stay_within_the_account_and_can_be_conditional() {
    let (_world, store) = store().await;
    store.put(&at("from here"), "data".into()).await.unwrap();

    store.copy(&at("from here"), &at("to/there")).await.unwrap();
    let taken = store.copy_if_not_exists(&at("from here"), &at("to/there")).await.unwrap_err();
    store.copy_if_not_exists(&at("from here"), &at("new")).await.unwrap();
    store.rename(&at("new"), &at("renamed")).await.unwrap();
    let absent = store.copy(&at("nothing"), &at("x")).await.unwrap_err();

    assert!(matches!(taken, Error::AlreadyExists { .. }), "{taken}");
    assert!(matches!(absent, Error::NotFound { .. }), "{absent}");
    assert_eq!(names(store.list(None)).await, ["from here", "renamed", "to/there"]);
    assert_eq!(store.get(&at("to/there")).await.unwrap().bytes().await.unwrap(), "data");
}

#[tokio::test]
async fn what_is_noted_beside_a_blob_comes_back() {
    let (_world, store) = store().await;
    let attributes = Attributes::from_iter([
        (Attribute::ContentType, "text/plain"),
        (Attribute::CacheControl, "no-store"),
        (Attribute::ContentLanguage, "en"),
        (Attribute::Metadata("owner".into()), "me"),
    ]);
    let options = PutOptions { attributes: attributes.clone(), ..PutOptions::default() };

    store.put_opts(&at("file"), "x".into(), options).await.unwrap();

    assert_eq!(store.get(&at("file")).await.unwrap().attributes, attributes);
}
