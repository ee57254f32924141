//! Kills during validations: the checks are run again, and their result is written once.

use super::{at_each, name_of, points};
use extension::validate::decide::Step;
use scenarios::{LONG, NAMESPACE, World};

#[test]
fn a_validation_ends_as_without_a_kill() {
    let world = World::new("kills-validated", "standard");
    let all = points("validate", &Step::all_names(), &[]);

    at_each(&all, |at| {
        let name = name_of(at);
        let validation = serde_json::json!({
            "apiVersion": "clusterbackup.dataprotection.microsoft.com/v1alpha1", "kind": "ValidateForBackup",
            "metadata": {"name": name, "namespace": NAMESPACE},
            "spec": {"backup": {"includedNamespaces": [world.app]}},
        });
        world.cluster.apply(&validation.to_string());
        world.extension().kill_at(at).run().killed(LONG).expect("it kills itself");

        let second = world.extension().run();
        let ended = world.ended("validateforbackups", &name);
        second.kill();

        let checks = ended["status"]["checks"].as_array().map_or(0, Vec::len);
        assert!(checks > 5, "{}", ended["status"]);
        assert_ne!(ended["status"]["phase"], "Failed", "{}", ended["status"]);
    });

    world.down();
}
