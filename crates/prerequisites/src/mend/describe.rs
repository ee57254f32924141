//! What an act changes, in words: the object, how it is, how it will be, and the rights that this takes.

use super::Action;
use crate::evidence::some;

impl Action {
    /// What is changed.
    pub(super) fn object(&self) -> String {
        match self {
            Self::RegisterProvider { subscription, provider, .. } => {
                format!("/subscriptions/{subscription}/providers/{provider}")
            }
            Self::AssignRole { scope, .. } => format!("role assignments of {scope}"),
            Self::LetVaultIn { cluster, .. } => format!("Trusted Access bindings of {cluster}"),
            Self::TrustVault { account, .. } => format!("network rules of {account}"),
            Self::CreateContainer { account, container } => {
                format!("{account}/blobServices/default/containers/{container}")
            }
            Self::UseManagedIdentity { cluster, .. } => cluster.clone(),
            Self::EnableStorage { cluster, .. } => format!("storageProfile of {cluster}"),
            Self::CreateSnapshotClass { name, .. } | Self::UnlabelSnapshotClass { name } => {
                format!("volumesnapshotclass/{name}")
            }
            Self::RemoveMarks { count, names } => match count {
                1 => some(names),
                _ => format!("{count} objects: {}", some(names)),
            },
            Self::AllowPods { namespace, .. } => format!("namespace/{namespace}"),
            Self::DeleteDefinitions { names, .. } => {
                format!("{} CustomResourceDefinitions: {}", names.len(), names.join(", "))
            }
        }
    }

    /// How it is, and how it will be.
    pub(super) fn before_and_after(&self) -> (String, String) {
        let pair = |before: String, after: String| (before, after);
        match self {
            Self::RegisterProvider { state, .. } => pair(state.clone(), "Registered".to_owned()),
            Self::AssignRole { need, role, identity, principal, .. } => pair(
                format!("the {identity}'s identity {principal} lacks {role}"),
                format!("it has {role} there ({need}), and nothing else"),
            ),
            Self::LetVaultIn { vault, binding: None, .. } => pair(
                format!("no binding for {vault}"),
                format!("one binding, which lets {vault} in as backup-operator"),
            ),
            Self::LetVaultIn { vault, binding: Some(name), had, .. } => pair(
                format!("the binding {name} of {vault} has {}", listed(had)),
                format!("the binding {name} has backup-operator too"),
            ),
            Self::TrustVault { vault, trusted, .. } => pair(
                format!("who comes from elsewhere is refused; {trusted} resources are trusted by name"),
                format!("{vault} is trusted by name too; every other rule stays"),
            ),
            Self::CreateContainer { .. } => {
                pair("it does not exist".to_owned(), "it exists, is empty, and is open to nobody".to_owned())
            }
            Self::UseManagedIdentity { identity, principal, .. } => pair(
                format!("identity {identity}, service principal {principal}"),
                "identity SystemAssigned, service principal msi; everything else stays".to_owned(),
            ),
            Self::EnableStorage { parts, .. } => pair(
                format!("{} switched off", parts.join(" and ")),
                format!("{} switched on; everything else stays", parts.join(" and ")),
            ),
            Self::CreateSnapshotClass { driver, .. } => pair(
                format!("no class for {driver}"),
                format!("a class for {driver}: deletionPolicy Delete, no parameters, not the default"),
            ),
            Self::UnlabelSnapshotClass { .. } => pair(
                "it has the label velero.io/csi-volumesnapshot-class".to_owned(),
                "it does not; everything else stays".to_owned(),
            ),
            Self::RemoveMarks { .. } => pair(
                "they have labels or annotations of velero.io".to_owned(),
                "they have none but velero.io/exclude-from-backup; everything else stays".to_owned(),
            ),
            Self::AllowPods { from, to, .. } => {
                let label = "pod-security.kubernetes.io/enforce";
                let before = match from {
                    Some(level) => format!("{label}={level}"),
                    None => format!("no label {label}; the cluster demands more by itself"),
                };
                pair(before, format!("{label}={to}, in this namespace alone"))
            }
            Self::DeleteDefinitions { .. } => pair(
                "they are served and have no objects".to_owned(),
                "they are deleted; one that has an object by then stays".to_owned(),
            ),
        }
    }

    /// The rights that it takes, and where.
    pub(super) fn rights(&self) -> Vec<String> {
        let one = match self {
            Self::RegisterProvider { subscription, provider, .. } => {
                format!("{provider}/register/action on /subscriptions/{subscription}")
            }
            Self::AssignRole { scope, .. } => {
                format!("Microsoft.Authorization/roleAssignments/write on {scope}")
            }
            Self::LetVaultIn { cluster, .. } => {
                format!(
                    "Microsoft.ContainerService/managedClusters/trustedAccessRoleBindings/write on {cluster}"
                )
            }
            Self::TrustVault { account, .. } => {
                format!("Microsoft.Storage/storageAccounts/write on {account}")
            }
            Self::CreateContainer { account, .. } => {
                format!("Microsoft.Storage/storageAccounts/blobServices/containers/write on {account}")
            }
            Self::UseManagedIdentity { cluster, .. } | Self::EnableStorage { cluster, .. } => {
                format!("Microsoft.ContainerService/managedClusters/write on {cluster}")
            }
            Self::CreateSnapshotClass { .. } => {
                "create volumesnapshotclasses.snapshot.storage.k8s.io".to_owned()
            }
            Self::UnlabelSnapshotClass { name } => {
                format!("get and patch volumesnapshotclasses.snapshot.storage.k8s.io {name}")
            }
            Self::RemoveMarks { names, .. } => {
                let mut kinds: Vec<&str> = names.iter().filter_map(|name| name.split('/').next()).collect();
                kinds.sort_unstable();
                kinds.dedup();
                format!("list and patch {}; list deployments.apps", kinds.join(", "))
            }
            Self::AllowPods { namespace, .. } => format!("get and patch namespaces {namespace}"),
            Self::DeleteDefinitions { .. } => {
                return vec![
                    "get and delete customresourcedefinitions.apiextensions.k8s.io".to_owned(),
                    "list what they define; list deployments.apps".to_owned(),
                ];
            }
        };
        vec![one]
    }

    /// What else to know.
    pub(super) fn remark(&self) -> Option<String> {
        let text = match self {
            Self::UseManagedIdentity { .. } => {
                "AKS reconciles the cluster for some minutes, and nodes take the identity on with their next image upgrade; roles of the old principal do not go over".to_owned()
            }
            Self::RemoveMarks { .. } => {
                "what makes such objects anew, such as the template of a Deployment, is left as it is".to_owned()
            }
            Self::DeleteDefinitions { kept, .. } if !kept.is_empty() => {
                format!("{} stay, for they have objects: {}", kept.len(), some(kept))
            }
            Self::AllowPods { .. } => "`cofferdam install` writes the stricter label again".to_owned(),
            _ => return None,
        };
        Some(text)
    }
}

fn listed(roles: &[String]) -> String {
    if roles.is_empty() { "no role".to_owned() } else { roles.join(", ") }
}
