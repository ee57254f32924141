//! What modifiers may not do.

use super::Scene;
use crate::Modifiers;
use std::collections::BTreeMap;

fn rule(path: &str, value: &str) -> Modifiers {
    let text = format!(
        "version: v1\nresourceModifierRules:\n- conditions: {{groupResource: configmaps}}\n  patches:\n  - \
         {{operation: replace, path: {path}, value: '\"{value}\"'}}\n"
    );
    Modifiers::parse(&BTreeMap::from([("rules.yaml".to_owned(), text)])).unwrap()
}

#[tokio::test]
async fn a_modifier_cannot_make_another_object_of_one() {
    for (path, value, named) in [
        ("/metadata/name", "b", "/metadata/name"),
        ("/metadata/namespace", "other", "namespaceMappings"),
        ("/kind", "Secret", "kind"),
    ] {
        let mut scene = Scene::default();
        scene.put_namespace("shop");
        scene.put_namespace("other");
        scene.add_config_map("shop", "a", "captured");
        scene.modifiers = rule(path, value);

        let plan = scene.plan().await;
        let (outcomes, _) = scene.execute().await;

        assert_eq!((outcomes.counts.created, outcomes.counts.failed), (0, 1), "{path}");
        let problem = &outcomes.problems[0];
        assert_eq!(problem.code, "UserErrorResourceModifierInvalid", "{path}");
        assert!(problem.message.contains(named), "{}", problem.message);
        assert_eq!(plan.problems, outcomes.problems, "{path}");
        assert!(scene.cluster.writes().is_empty(), "{path}");
    }
}
