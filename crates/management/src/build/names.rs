//! Names that the original's clients make up, so that both find each other's things again.

use arm::ResourceId;
use uuid::Uuid;

/// The tag by which things for the backups of a region are found again; its value is the region.
pub const TAG: &str = "AKSAzureBackup";

/// A new instance of a cluster: `<cluster>-<cluster>-<GUID>`.
pub fn instance(cluster: &ResourceId) -> String {
    let name = cluster.name();
    format!("{name}-{name}-{}", Uuid::new_v4())
}

/// The one instance that enabling backups makes for a cluster in a vault: the same each time, so that an interrupted
/// attempt is taken up again and not doubled.
pub fn enabled_instance(cluster: &ResourceId, vault: &ResourceId) -> String {
    let name = cluster.name();
    let id =
        Uuid::new_v5(&Uuid::NAMESPACE_URL, format!("{}\n{}", cluster.folded(), vault.folded()).as_bytes());
    format!("{name}-{name}-{id}")
}

/// The resource group for the backups of a region.
pub fn group(location: &str) -> String {
    format!("{TAG}_{location}")
}

/// The vault of a region.
pub fn vault(location: &str) -> String {
    format!("{TAG}-{location}")
}

/// The policy of a strategy.
pub fn policy(strategy: &str) -> String {
    format!("AKSBackupPolicy-{strategy}")
}

/// The storage account of a region. Names are unique in the world; the subscription and region decide the rest.
pub fn account(subscription: &str, location: &str) -> String {
    let region: String =
        location.to_lowercase().chars().filter(char::is_ascii_alphanumeric).take(12).collect();
    let id = Uuid::new_v5(&Uuid::NAMESPACE_URL, format!("{subscription}\n{location}").as_bytes());
    let tail: String = id.simple().to_string().chars().take(6).collect();
    format!("aksbkp{region}{tail}")
}

/// The container of a cluster: `<cluster>-<group>`.
pub fn container(cluster: &ResourceId) -> String {
    let plain = |text: &str| {
        let lower = text.to_lowercase();
        let words = lower.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
        words.collect::<Vec<_>>().join("-")
    };
    let name = format!("{}-{}", plain(cluster.name()), plain(cluster.resource_group().unwrap_or_default()));
    let cut: String = name.chars().take(63).collect();
    cut.trim_end_matches('-').to_owned()
}

/// The Trusted Access binding between a cluster and a vault: at most 24 characters.
pub fn binding(vault: &ResourceId) -> String {
    let id = Uuid::new_v5(&Uuid::NAMESPACE_URL, vault.folded().as_bytes());
    format!("tarb-{}", id.simple().to_string().chars().take(16).collect::<String>())
}

/// A role assignment: the same for the same principal, role and scope, so that a repetition is no second one.
pub fn assignment(principal: &str, role: &str, scope: &ResourceId) -> String {
    let text = format!("{}\n{}\n{}", principal.to_lowercase(), role.to_lowercase(), scope.folded());
    Uuid::new_v5(&Uuid::NAMESPACE_URL, text.as_bytes()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cluster(name: &str) -> ResourceId {
        let text = format!(
            "/subscriptions/s/resourceGroups/MY_rg/providers/Microsoft.ContainerService/managedClusters/{name}"
        );
        text.parse().unwrap()
    }

    #[test]
    fn names_are_what_the_services_take() {
        let long = "Ä_cluster--with.dots".repeat(8);

        let (container, account) = (container(&cluster(&long)), account("s", "East US 2 (somewhere)"));

        assert!(container.len() <= 63 && container.starts_with("cluster-with-dots"), "{container}");
        assert!(!container.contains("--") && !container.ends_with('-'), "{container}");
        assert!(account.len() <= 24 && account.starts_with("aksbkpeastus2some"), "{account}");
        assert!(binding(&cluster("v")).len() <= 24);
    }

    #[test]
    fn what_is_enabled_twice_has_one_name() {
        let (cluster, vault) = (cluster("c"), cluster("v"));

        assert_eq!(enabled_instance(&cluster, &vault), enabled_instance(&cluster, &vault));
        assert_ne!(instance(&cluster), instance(&cluster));
        assert_eq!(assignment("P", "r", &vault), assignment("p", "R", &vault));
    }
}
