//! The pool on a real btrfs file system: sharing, sizes, content, groups, publishing.

mod common;

use common::World;
use csi_driver::error::Error;
use csi_driver::ids::{Naming, VolumeId};
use csi_driver::pool::{Asked, Kind, NewGroup, NewSnapshot, NewVolume, Pool, Source, Volume};
use csi_driver::publish::{Publisher, Sharing, Wish};
use rustix::mount::MountFlags;
use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use std::time::Instant;
use telemetry::SystemClock;

const MIB: u64 = 1 << 20;

fn open(world: &World, driver: &str) -> Pool {
    Pool::open(&world.pool(), driver, Naming::FromName, Arc::new(SystemClock)).unwrap()
}

fn new_volume(name: &str, kind: Kind, bytes: u64, source: Option<Source>) -> NewVolume {
    let asked = Asked { required: bytes, limit: 0 };
    NewVolume { name: name.to_owned(), kind, asked, source, parameters: BTreeMap::new() }
}

fn volume(pool: &Pool, name: &str) -> Volume {
    pool.create_volume(&new_volume(name, Kind::Filesystem, 16 * MIB, None)).unwrap()
}

fn new_snapshot(name: &str, source: &VolumeId) -> NewSnapshot {
    NewSnapshot { name: name.to_owned(), source: source.clone(), parameters: BTreeMap::new() }
}

#[test]
fn a_snapshot_of_one_cluster_fills_a_volume_of_the_other() {
    let world = World::new(4);
    let (here, there) = (open(&world, "one.test"), open(&world, "one.test"));
    let source = volume(&here, "data");
    fs::write(here.volume_tree(&source.id).join("file"), "kept").unwrap();
    let snapshot = here.create_snapshot(&new_snapshot("cut", &source.id)).unwrap();
    fs::write(here.volume_tree(&source.id).join("file"), "changed later").unwrap();
    here.delete_volume(&source.id).unwrap();

    let new = new_volume("restored", Kind::Filesystem, 16 * MIB, Some(Source::Snapshot(snapshot.id)));
    let restored = there.create_volume(&new).unwrap();

    let content = fs::read_to_string(there.volume_tree(&restored.id).join("file")).unwrap();
    assert_eq!(content, "kept");
}

#[test]
fn drivers_of_two_names_do_not_see_one_another() {
    let world = World::new(4);
    let (one, two) = (open(&world, "one.test"), open(&world, "two.test"));

    let made = volume(&one, "data");

    assert_eq!(one.volumes().unwrap(), std::slice::from_ref(&made));
    assert_eq!(two.volumes().unwrap(), []);
    assert!(matches!(two.volume(&made.id), Err(Error::NotFound { .. })));
}

#[test]
fn two_clusters_that_cut_the_same_snapshot_at_once_get_one() {
    let world = World::new(4);
    let pools = [open(&world, "one.test"), open(&world, "one.test")];
    let source = volume(&pools[0], "data");

    let cuts = std::thread::scope(|scope| {
        let jobs: Vec<_> = (0..8)
            .map(|job| {
                let (pool, new) = (&pools[job % 2], new_snapshot("cut", &source.id));
                scope.spawn(move || pool.create_snapshot(&new).unwrap())
            })
            .collect();
        jobs.into_iter().map(|job| job.join().unwrap()).collect::<Vec<_>>()
    });

    assert!(cuts.iter().all(|cut| *cut == cuts[0]), "{cuts:?}");
    assert_eq!(pools[0].snapshots().unwrap(), [cuts[0].clone()]);
    assert_eq!(fs::read_dir(world.pool().join("one.test/staging")).unwrap().count(), 0);
}

#[test]
fn a_filesystem_volume_cannot_outgrow_its_size_until_it_is_expanded() {
    let world = World::new(4);
    let pool = open(&world, "one.test");
    let made = volume(&pool, "data");
    let file = pool.volume_tree(&made.id).join("file");

    let too_much = fs::write(&file, vec![7; 24 << 20]).and_then(|()| fs::File::open(&file)?.sync_all());
    fs::remove_file(&file).unwrap();
    pool.expand_volume(&made.id, Asked { required: 64 * MIB, limit: 0 }).unwrap();
    let enough = fs::write(&file, vec![7; 24 << 20]).and_then(|()| fs::File::open(&file)?.sync_all());

    assert!(too_much.is_err(), "24 MiB went into a volume of 16 MiB");
    enough.unwrap();
}

#[test]
fn a_block_volume_keeps_its_bytes_through_snapshot_and_growth() {
    let world = World::new(4);
    let pool = open(&world, "one.test");
    let made = pool.create_volume(&new_volume("disk", Kind::Block, 8 * MIB, None)).unwrap();
    let mut bytes = vec![0; 8 << 20];
    bytes[5_000_000..5_000_004].copy_from_slice(b"mark");
    fs::write(pool.volume_disk(&made.id), &bytes).unwrap();

    let snapshot = pool.create_snapshot(&new_snapshot("cut", &made.id)).unwrap();
    let new = new_volume("copy", Kind::Block, 16 * MIB, Some(Source::Snapshot(snapshot.id.clone())));
    let copy = pool.create_volume(&new).unwrap();
    let wrong_kind = new_volume("files", Kind::Filesystem, 16 * MIB, Some(Source::Snapshot(snapshot.id)));

    let copied = fs::read(pool.volume_disk(&copy.id)).unwrap();
    assert_eq!(copied.len(), 16 << 20);
    assert_eq!(copied[..bytes.len()], bytes);
    assert!(matches!(pool.create_volume(&wrong_kind), Err(Error::Invalid(_))));
}

#[test]
fn a_group_appears_and_disappears_as_one() {
    let world = World::new(4);
    let pool = open(&world, "one.test");
    let sources = [volume(&pool, "a").id, volume(&pool, "b").id];
    fs::write(pool.volume_tree(&sources[1]).join("file"), "b's").unwrap();
    let new = NewGroup { name: "group".to_owned(), sources: sources.to_vec(), parameters: BTreeMap::new() };

    let group = pool.create_group(&new).unwrap();
    let again = pool.create_group(&new).unwrap();
    let member = group.members.iter().find(|m| m.record.source == sources[1]).unwrap().clone();
    let alone = pool.delete_snapshot(&member.id);
    let source = Some(Source::Snapshot(member.id.clone()));
    let copy = pool.create_volume(&new_volume("copy", Kind::Filesystem, 16 * MIB, source)).unwrap();
    let listed = pool.snapshots().unwrap();
    pool.delete_group(&group.id, &[]).unwrap();

    assert_eq!(group, again);
    assert_eq!(listed, group.members);
    assert!(matches!(alone, Err(Error::Invalid(_))));
    assert_eq!(fs::read_to_string(pool.volume_tree(&copy.id).join("file")).unwrap(), "b's");
    assert_eq!(pool.snapshots().unwrap(), []);
    assert!(pool.delete_snapshot(&member.id).is_ok());
}

#[test]
fn a_deletion_cut_short_by_a_kill_is_finished_at_the_next_start() {
    let world = World::new(4);
    let pool = open(&world, "one.test");
    let made = volume(&pool, "data");
    let staging = world.pool().join("one.test/staging");
    fs::rename(pool.volume_tree(&made.id).parent().unwrap(), staging.join("gone-1")).unwrap();

    let pool = open(&world, "one.test");

    assert_eq!(fs::read_dir(staging).unwrap().count(), 0);
    assert_eq!(pool.volumes().unwrap(), []);
}

#[test]
fn publishing_follows_the_access_mode_and_leaves_nothing_behind() {
    let world = World::new(4);
    let pool = open(&world, "one.test");
    let publisher = Publisher::new(pool.clone(), world.kubelet());
    let disk = pool.create_volume(&new_volume("disk", Kind::Block, 8 * MIB, None)).unwrap().id;
    let wish = |target: &str| Wish {
        volume: disk.clone(),
        target: world.kubelet().join(target),
        kind: Kind::Block,
        sharing: Sharing::One,
        flags: MountFlags::empty(),
    };

    publisher.publish(&wish("pods/a/dev")).unwrap();
    publisher.publish(&wish("pods/a/dev")).unwrap();
    let second = publisher.publish(&wish("pods/b/dev"));
    let outside = publisher.publish(&wish("../elsewhere"));
    let in_use = publisher.check_unused(&disk);
    let loops = world.loops().len();
    publisher.unpublish(&disk, &world.kubelet().join("pods/a/dev")).unwrap();
    publisher.unpublish(&disk, &world.kubelet().join("pods/a/dev")).unwrap();

    assert!(matches!(second, Err(Error::Precondition(_))), "{second:?}");
    assert!(matches!(outside, Err(Error::Invalid(_))), "{outside:?}");
    assert!(matches!(in_use, Err(Error::Precondition(_))), "{in_use:?}");
    assert_eq!((loops, world.loops().len()), (1, 0));
    assert!(!world.kubelet().join("pods/a/dev").exists());
    publisher.check_unused(&disk).unwrap();
}

#[test]
fn a_volume_mounted_read_only_refuses_writes() {
    let world = World::new(4);
    let pool = open(&world, "one.test");
    let publisher = Publisher::new(pool.clone(), world.kubelet());
    let data = volume(&pool, "data").id;
    let target = world.kubelet().join("pods/a/mount");
    let wish = Wish {
        volume: data.clone(),
        target: target.clone(),
        kind: Kind::Filesystem,
        sharing: Sharing::Many,
        flags: MountFlags::RDONLY,
    };

    publisher.publish(&wish).unwrap();
    let written = fs::write(target.join("file"), "no");
    publisher.unpublish(&data, &target).unwrap();

    assert_eq!(written.unwrap_err().kind(), std::io::ErrorKind::ReadOnlyFilesystem);
}

#[test]
fn fifty_snapshots_are_cut_fast_enough() {
    let world = World::new(4);
    let pool = open(&world, "one.test");
    let source = volume(&pool, "data").id;

    let started = Instant::now();
    for number in 0..50 {
        pool.create_snapshot(&new_snapshot(&format!("cut-{number}"), &source)).unwrap();
    }
    let each = started.elapsed() / 50;

    eprintln!("one snapshot takes {each:?}");
    assert!(each.as_millis() < 500, "one snapshot takes {each:?}");
}
