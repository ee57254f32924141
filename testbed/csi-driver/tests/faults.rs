//! The planned faults and the refusals, as a sidecar sees them: through the CSI services.

mod common;

use common::World;
use csi_driver::faults::FaultsFile;
use csi_driver::ids::Naming;
use csi_driver::pool::Pool;
use csi_driver::proto::csi::controller_server::Controller;
use csi_driver::proto::csi::volume_capability::{AccessMode, AccessType, MountVolume, access_mode};
use csi_driver::proto::csi::*;
use csi_driver::publish::Publisher;
use csi_driver::server::Snapshots;
use csi_driver::service::controller::ControllerService;
use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};
use telemetry::SystemClock;
use tonic::{Code, Request, Status};

struct Rig {
    world: World,
    controller: ControllerService,
    volume: String,
}

impl Rig {
    async fn new() -> Self {
        let world = World::new(4);
        let clock = Arc::new(SystemClock);
        let pool = Pool::open(&world.pool(), "one.test", Naming::FromName, clock.clone()).unwrap();
        let controller = ControllerService {
            publisher: Publisher::new(pool.clone(), world.kubelet()),
            pool,
            faults: FaultsFile::new(Some(world.path("faults.json"))),
            clock,
            snapshots: Snapshots::Supported,
        };
        let mut rig = Self { world, controller, volume: String::new() };
        rig.volume = rig.create_volume(None).await.unwrap().volume_id;
        rig
    }

    async fn create_volume(&self, source: Option<VolumeContentSource>) -> Result<Volume, Status> {
        let mode = AccessMode { mode: access_mode::Mode::SingleNodeWriter.into() };
        let request = CreateVolumeRequest {
            name: "data".to_owned(),
            volume_capabilities: vec![VolumeCapability {
                access_mode: Some(mode),
                access_type: Some(AccessType::Mount(MountVolume::default())),
            }],
            volume_content_source: source,
            ..CreateVolumeRequest::default()
        };
        let answer = self.controller.create_volume(Request::new(request)).await?;
        Ok(answer.into_inner().volume.unwrap())
    }

    fn faults(&self, text: &str) {
        fs::write(self.world.path("faults.json"), text).unwrap();
    }

    async fn snapshot(&self, name: &str) -> Result<Snapshot, Status> {
        let request = CreateSnapshotRequest {
            name: name.to_owned(),
            source_volume_id: self.volume.clone(),
            ..CreateSnapshotRequest::default()
        };
        let answer = self.controller.create_snapshot(Request::new(request)).await?;
        Ok(answer.into_inner().snapshot.unwrap())
    }

    async fn listed(&self, snapshot: &str) -> Vec<Snapshot> {
        let request =
            ListSnapshotsRequest { snapshot_id: snapshot.to_owned(), ..ListSnapshotsRequest::default() };
        let answer = self.controller.list_snapshots(Request::new(request)).await.unwrap();
        answer.into_inner().entries.into_iter().filter_map(|entry| entry.snapshot).collect()
    }
}

#[tokio::test]
async fn a_snapshot_can_fail_until_the_fault_is_lifted() {
    let rig = Rig::new().await;
    rig.faults(r#"{"snapshot": {"fail": "the array is on fire", "match": "unlucky"}}"#);

    let unlucky = rig.snapshot("unlucky-1").await;
    let lucky = rig.snapshot("other").await;
    rig.faults("{}");
    let lifted = rig.snapshot("unlucky-1").await;

    let status = unlucky.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::Internal, "the array is on fire"));
    assert!(lucky.unwrap().ready_to_use);
    assert!(lifted.unwrap().ready_to_use);
}

#[tokio::test]
async fn a_snapshot_can_stay_unready_although_it_is_cut() {
    let rig = Rig::new().await;
    rig.faults(r#"{"snapshot": {"neverReady": true}}"#);

    let cut = rig.snapshot("cut").await.unwrap();
    let while_faulty = rig.listed(&cut.snapshot_id).await;
    rig.faults("");
    let afterwards = rig.listed(&cut.snapshot_id).await;

    assert!(!cut.ready_to_use && cut.creation_time.is_some());
    assert_eq!(while_faulty.iter().map(|s| s.ready_to_use).collect::<Vec<_>>(), [false]);
    assert_eq!(afterwards.iter().map(|s| s.ready_to_use).collect::<Vec<_>>(), [true]);
}

#[tokio::test]
async fn a_slow_snapshot_is_cut_although_the_caller_gave_up() {
    let rig = Rig::new().await;
    rig.faults(r#"{"snapshot": {"delayMs": 400}}"#);

    let given_up = tokio::time::timeout(Duration::from_millis(50), rig.snapshot("slow")).await;
    let deadline = Instant::now() + Duration::from_secs(10);
    while rig.listed("").await.is_empty() && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }

    assert!(given_up.is_err());
    assert_eq!(rig.listed("").await.len(), 1);
}

#[tokio::test]
async fn handles_that_could_be_paths_are_refused_and_nothing_is_touched() {
    let rig = Rig::new().await;
    let hostile = format!("../volumes/{}", rig.volume);

    let volume = DeleteVolumeRequest { volume_id: hostile.clone(), ..DeleteVolumeRequest::default() };
    let volume = rig.controller.delete_volume(Request::new(volume)).await;
    let snapshot = DeleteSnapshotRequest { snapshot_id: hostile, ..DeleteSnapshotRequest::default() };
    let snapshot = rig.controller.delete_snapshot(Request::new(snapshot)).await;

    assert_eq!(volume.unwrap_err().code(), Code::InvalidArgument);
    assert_eq!(snapshot.unwrap_err().code(), Code::InvalidArgument);
    assert_eq!(rig.controller.pool.volumes().unwrap().len(), 1);
}

#[tokio::test]
async fn a_driver_without_snapshots_refuses_them() {
    let mut rig = Rig::new().await;
    rig.controller.snapshots = Snapshots::Unsupported;

    let cut = rig.snapshot("cut").await;
    let source = volume_content_source::VolumeSource { volume_id: rig.volume.clone() };
    let source = VolumeContentSource { r#type: Some(volume_content_source::Type::Volume(source)) };
    let clone = rig.create_volume(Some(source)).await;
    let able = rig.controller.controller_get_capabilities(Request::new(Default::default())).await.unwrap();

    assert_eq!(cut.unwrap_err().code(), Code::Unimplemented);
    assert_eq!(clone.unwrap_err().code(), Code::Unimplemented);
    assert_eq!(able.into_inner().capabilities.len(), 6);
}
