//! Resource ids: `/subscriptions/S/resourceGroups/G/providers/Namespace/type/name[/type/name…]`.
//!
//! Ids that differ in case alone name the same resource; each is echoed as its creator wrote it.

use std::{fmt, hash::Hash, hash::Hasher, str::FromStr};

/// The longest id that is taken, in bytes.
pub const LONGEST: usize = 2_048;
/// The longest name of one part, in bytes.
pub const LONGEST_PART: usize = 260;

/// The id of a subscription, a resource group, a resource, or an extension resource on one of them.
#[derive(Debug, Clone)]
pub struct ResourceId {
    text: String,
    folded: String,
}

/// A resource's type, such as `Microsoft.DataProtection/backupVaults/backupInstances`.
#[derive(Debug, Clone)]
pub struct ResourceType(String);

/// Why a text is no resource id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// It does not begin as every id does.
    #[error("a resource id begins with /subscriptions/<id>")]
    Beginning,
    /// It is longer than any id may be.
    #[error("a resource id has at most {LONGEST} bytes, and {LONGEST_PART} between two slashes")]
    TooLong,
    /// A part is empty, or holds what no name may hold.
    #[error("{0:?} is no name: it is empty, a dot or two, or holds a control character or one of <>%&\\?/#")]
    Part(String),
    /// Types and names do not alternate.
    #[error("{0:?} lacks a name or a type; write …/providers/<namespace>/<type>/<name>")]
    Shape(String),
}

impl ResourceId {
    /// The id of a subscription.
    pub fn subscription(id: &str) -> Result<Self, IdError> {
        format!("/subscriptions/{id}").parse()
    }

    /// The id of a resource group in a subscription.
    pub fn group(subscription: &str, name: &str) -> Result<Self, IdError> {
        format!("/subscriptions/{subscription}/resourceGroups/{name}").parse()
    }

    /// A resource in this group or subscription, or on this resource: `kind` is `Namespace/type`.
    pub fn with(&self, kind: &str, name: &str) -> Result<Self, IdError> {
        format!("{self}/providers/{kind}/{name}").parse()
    }

    /// A child of this resource: `kind` is the last part of its type.
    pub fn child(&self, kind: &str, name: &str) -> Result<Self, IdError> {
        format!("{self}/{kind}/{name}").parse()
    }

    /// As its creator wrote it.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The same for all spellings; for keys.
    pub fn folded(&self) -> &str {
        &self.folded
    }

    /// Id of the subscription.
    pub fn subscription_id(&self) -> &str {
        self.parts().nth(1).unwrap_or_default()
    }

    /// Name of the resource group.
    pub fn resource_group(&self) -> Option<&str> {
        let mut parts = self.parts().skip(2);
        parts.next().filter(|word| word.eq_ignore_ascii_case("resourceGroups"))?;
        parts.next()
    }

    /// The last name in it.
    pub fn name(&self) -> &str {
        self.parts().last().unwrap_or_default()
    }

    /// Its type; that of a resource group is `Microsoft.Resources/resourceGroups`.
    pub fn kind(&self) -> ResourceType {
        let parts: Vec<&str> = self.parts().collect();
        let is_provider = |part: &&str| part.eq_ignore_ascii_case("providers");
        let Some(at) = parts.iter().rposition(is_provider) else {
            let group = parts.len() > 2;
            let kind = if group {
                "Microsoft.Resources/resourceGroups"
            } else {
                "Microsoft.Resources/subscriptions"
            };
            return ResourceType(kind.to_owned());
        };
        let mut words = parts.into_iter().skip(at + 1);
        let namespace = words.next().unwrap_or_default();
        let types = words.step_by(2).collect::<Vec<_>>().join("/");
        ResourceType(format!("{namespace}/{types}"))
    }

    /// What it is part of: a resource for its children, else the group or subscription. `None` for subscriptions.
    pub fn parent(&self) -> Option<Self> {
        let parts: Vec<&str> = self.parts().collect();
        let kept = match parts.iter().rposition(|part| part.eq_ignore_ascii_case("providers")) {
            Some(at) if parts.len() == at + 4 => at,
            _ => parts.len().checked_sub(2)?,
        };
        let kept = parts.get(..kept).filter(|kept| !kept.is_empty())?;
        format!("/{}", kept.join("/")).parse().ok()
    }

    /// Whether a right on this id holds for another one: for itself and all below it.
    pub fn covers(&self, other: &Self) -> bool {
        other.folded.strip_prefix(&self.folded).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    fn parts(&self) -> impl Iterator<Item = &str> {
        self.text.split('/').skip(1)
    }
}

impl FromStr for ResourceId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        if text.len() > LONGEST {
            return Err(IdError::TooLong);
        }
        let text = text.strip_suffix('/').unwrap_or(text);
        let mut parts = text.split('/');
        let (Some(""), Some(word)) = (parts.next(), parts.next()) else { return Err(IdError::Beginning) };
        if !word.eq_ignore_ascii_case("subscriptions") {
            return Err(IdError::Beginning);
        }
        for part in parts {
            if part.len() > LONGEST_PART {
                return Err(IdError::TooLong);
            }
            if !is_name(part) {
                return Err(IdError::Part(part.to_owned()));
            }
        }
        let id = Self { text: text.to_owned(), folded: text.to_lowercase() };
        if id.has_shape() { Ok(id) } else { Err(IdError::Shape(text.to_owned())) }
    }
}

impl ResourceId {
    fn has_shape(&self) -> bool {
        let parts: Vec<&str> = self.parts().collect();
        let mut rest = match parts.as_slice() {
            [_, _] => return true,
            [_, _, word, _, rest @ ..] if word.eq_ignore_ascii_case("resourceGroups") => rest,
            [_, _, rest @ ..] => rest,
            _ => return false,
        };
        while let [word, _namespace, inside @ ..] = rest {
            if !word.eq_ignore_ascii_case("providers") {
                return false;
            }
            let end = inside.iter().position(|part| part.eq_ignore_ascii_case("providers"));
            let (own, after) = inside.split_at(end.unwrap_or(inside.len()));
            if own.is_empty() || own.len() % 2 != 0 {
                return false;
            }
            rest = after;
        }
        rest.is_empty()
    }
}

/// What one part of an id may be.
fn is_name(part: &str) -> bool {
    let forbidden = |c: char| c.is_control() || "<>%&\\?/#".contains(c);
    !part.is_empty() && part != "." && part != ".." && !part.contains(forbidden) && part.trim() == part
}

impl PartialEq for ResourceId {
    fn eq(&self, other: &Self) -> bool {
        self.folded == other.folded
    }
}

impl Eq for ResourceId {}

impl Hash for ResourceId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.folded.hash(state);
    }
}

impl PartialOrd for ResourceId {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ResourceId {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.folded.cmp(&other.folded)
    }
}

impl fmt::Display for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl serde::Serialize for ResourceId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> serde::Deserialize<'de> for ResourceId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl ResourceType {
    /// As written in the id.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Compares without regard to case.
    pub fn is(&self, kind: &str) -> bool {
        self.0.eq_ignore_ascii_case(kind)
    }
}

impl fmt::Display for ResourceType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const VAULT: &str =
        "/subscriptions/s1/resourceGroups/rg/providers/Microsoft.DataProtection/backupVaults/v";

    fn id(text: &str) -> ResourceId {
        text.parse().unwrap()
    }

    #[test]
    fn an_id_knows_its_parts() {
        let instance = id(VAULT).child("backupInstances", "bi").unwrap();

        assert_eq!(instance.subscription_id(), "s1");
        assert_eq!(instance.resource_group(), Some("rg"));
        assert_eq!(instance.name(), "bi");
        assert!(instance.kind().is("microsoft.dataprotection/BackupVaults/backupInstances"));
        assert_eq!(instance.parent().unwrap(), id(VAULT));
        assert_eq!(id(VAULT).parent().unwrap(), id("/subscriptions/s1/resourceGroups/rg"));
        assert_eq!(id("/subscriptions/s1").parent(), None);
        assert_eq!(id("/subscriptions/s1").resource_group(), None);
    }

    #[test]
    fn a_resource_on_a_resource_belongs_to_it() {
        let cluster =
            "/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerService/managedClusters/c";
        let extension =
            id(cluster).with("Microsoft.KubernetesConfiguration/extensions", "azure-aks-backup").unwrap();

        assert_eq!(extension.kind().as_str(), "Microsoft.KubernetesConfiguration/extensions");
        assert_eq!(extension.parent().unwrap(), id(cluster));
    }

    #[test]
    fn spelling_is_kept_and_does_not_matter() {
        let loud = id(&VAULT.to_uppercase());

        assert_eq!(loud, id(VAULT));
        assert_eq!(loud.folded(), id(VAULT).folded());
        assert_eq!(loud.to_string(), VAULT.to_uppercase());
    }

    #[test]
    fn a_scope_covers_itself_and_what_is_below_but_not_its_namesakes() {
        let group = id("/subscriptions/s1/resourceGroups/rg");

        assert!(group.covers(&id(VAULT)) && group.covers(&group));
        assert!(!group.covers(&id("/subscriptions/s1/resourceGroups/rg2")));
        assert!(!id(VAULT).covers(&group));
    }

    #[test]
    fn what_is_no_id_says_why() {
        for wrong in ["", "/", "subscriptions/s", "/resourceGroups/g", "/subscription/s"] {
            assert_eq!(wrong.parse::<ResourceId>(), Err(IdError::Beginning), "{wrong}");
        }
        for wrong in [
            "/subscriptions//resourceGroups/g",
            "/subscriptions/..",
            "/subscriptions/s/resourceGroups/a%2fb",
            "/subscriptions/ s",
        ] {
            assert!(matches!(wrong.parse::<ResourceId>(), Err(IdError::Part(_))), "{wrong}");
        }
        for wrong in [
            "/subscriptions",
            "/subscriptions/s/resourceGroups",
            "/subscriptions/s/providers/N",
            "/subscriptions/s/providers/N/t",
            "/subscriptions/s/other/x",
        ] {
            assert!(matches!(wrong.parse::<ResourceId>(), Err(IdError::Shape(_))), "{wrong}");
        }
        assert_eq!(
            format!("/subscriptions/{}", "x".repeat(300)).parse::<ResourceId>(),
            Err(IdError::TooLong)
        );
        assert_eq!("/subscriptions/s".repeat(1_000).parse::<ResourceId>(), Err(IdError::TooLong));
    }

    proptest! {
        #[test]
        fn no_text_panics_and_what_is_read_is_written_again(text in "(/[a-zA-Z.%]{0,12}){0,12}") {
            if let Ok(id) = text.parse::<ResourceId>() {
                prop_assert_eq!(id.to_string().parse::<ResourceId>().unwrap(), id.clone());
                drop((id.parent(), id.kind(), id.resource_group()));
            }
        }

        #[test]
        fn a_parent_covers_its_children(names in prop::collection::vec("[a-z]{1,8}", 2..9)) {
            if let Ok(id) = format!("/subscriptions/s/providers/N/{}", names.join("/")).parse::<ResourceId>() {
                let parent = id.parent().unwrap();
                prop_assert!(parent.covers(&id) && !id.covers(&parent));
            }
        }
    }
}
