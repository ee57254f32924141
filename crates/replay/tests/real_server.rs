//! Every restore rule against a real API server; no kubelet is needed. `COFFERDAM_TEST_KUBECONFIG` names its
//! kubeconfig; the test runner sets it.

#[path = "real_server/conflicts.rs"]
mod conflicts;
#[path = "real_server/definitions.rs"]
mod definitions;
#[path = "real_server/kinds.rs"]
mod kinds;
#[path = "real_server/modifiers.rs"]
mod modifiers;
#[path = "real_server/owners.rs"]
mod owners;
#[path = "real_server/recorder.rs"]
mod recorder;
#[path = "real_server/rich.rs"]
mod rich;
#[path = "real_server/scene.rs"]
mod scene;
#[path = "real_server/shared.rs"]
mod shared;
#[path = "real_server/strategic.rs"]
mod strategic;
#[path = "real_server/webhook.rs"]
mod webhook;
