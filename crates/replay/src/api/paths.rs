//! The addresses of objects and lists on an API server.

use crate::item::{Place, ResourceType};
use std::fmt::Write as _;

/// `/api/v1/...` or `/apis/<group>/<version>/...` of a list.
pub(crate) fn list(kind: &ResourceType, namespace: Option<&str>) -> String {
    let root = if kind.group.is_empty() { "/api".to_owned() } else { format!("/apis/{}", kind.group) };
    match namespace {
        Some(namespace) => {
            format!("{root}/{}/namespaces/{}/{}", kind.version, segment(namespace), kind.resource)
        }
        None => format!("{root}/{}/{}", kind.version, kind.resource),
    }
}

/// The address of one object.
pub(crate) fn object(place: &Place) -> String {
    format!("{}/{}", list(&place.kind, place.namespace.as_deref()), segment(&place.name))
}

/// The text as one segment of a path or one value of a query.
pub(crate) fn segment(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~:@".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            write!(out, "%{byte:02X}").unwrap_or_default();
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn objects_of_every_scope_have_their_address() {
        let role = ResourceType {
            group: "rbac.authorization.k8s.io".into(),
            version: "v1".into(),
            kind: "Role".into(),
            resource: "roles".into(),
            namespaced: true,
        };
        let node = ResourceType {
            group: String::new(),
            version: "v1".into(),
            kind: "Node".into(),
            resource: "nodes".into(),
            namespaced: false,
        };

        let namespaced = object(&Place {
            kind: Arc::new(role),
            namespace: Some("shop".into()),
            name: "system:a b/c".into(),
        });
        let cluster = object(&Place { kind: Arc::new(node), namespace: None, name: "n1".into() });

        assert_eq!(namespaced, "/apis/rbac.authorization.k8s.io/v1/namespaces/shop/roles/system:a%20b%2Fc");
        assert_eq!(cluster, "/api/v1/nodes/n1");
    }
}
