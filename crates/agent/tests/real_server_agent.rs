//! The agent against a real API server, with nothing but the rights of its own manifest. `COFFERDAM_TEST_KUBECONFIG`
//! names the kubeconfig of an administrator; the test runner sets it. No kubelet is needed: a Deployment with no
//! replicas is ready, one with replicas never is.

#[path = "real_agent/backup.rs"]
mod backup;
#[path = "real_agent/egress.rs"]
mod egress;
#[path = "real_agent/gate.rs"]
mod gate;
#[path = "real_agent/installing.rs"]
mod installing;
#[path = "real_agent/packages.rs"]
mod made;
#[path = "real_agent/preparing.rs"]
mod preparing;
#[path = "real_agent/refusing.rs"]
mod refusing;
#[path = "real_agent/removing.rs"]
mod removing;
#[path = "real_agent/restarting.rs"]
mod restarting;
#[path = "real_agent/world.rs"]
mod world;
