//! What a Resource Guard asks for before a critical operation.

use super::SecondPerson;
use crate::exit::Failure;
use clap::Args;
use management::Request;
use serde_json::{Value, json};

/// Requests below a guard, each of which consents to one kind of operation.
#[derive(Debug, Clone, Default, Args)]
pub struct Consent {
    /// Requests that a resource guard asks for, by id
    #[arg(long, visible_alias = "operation-requests", num_args = 1.., value_name = "ID")]
    resource_guard_operation_requests: Vec<String>,
    #[command(flatten)]
    by: SecondPerson,
}

impl Consent {
    /// Whether nothing was named.
    pub fn is_empty(&self) -> bool {
        self.resource_guard_operation_requests.is_empty()
    }

    /// The request with the token of whoever consents, if that is somebody else.
    pub fn behind(&self, request: Request) -> Result<Request, Failure> {
        self.by.behind(request)
    }

    /// The body with the requests among the members of the object at `pointer`, where the service looks for them. It stays
    /// as it is when nothing was named.
    pub fn within(&self, mut body: Value, pointer: &str) -> Value {
        if let (false, Some(members)) =
            (self.is_empty(), body.pointer_mut(pointer).and_then(Value::as_object_mut))
        {
            let requests = json!(self.resource_guard_operation_requests);
            members.insert("resourceGuardOperationRequests".to_owned(), requests);
        }
        body
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_stand_where_the_service_looks_for_them() {
        let consent =
            Consent { resource_guard_operation_requests: vec!["/a".to_owned()], by: SecondPerson::default() };
        let requests = json!(["/a"]);

        let inside = consent.within(json!({"properties": {"b": 1}}), "/properties");
        let outside = consent.within(json!({}), "");
        let none = Consent::default().within(json!({"properties": {}}), "/properties");

        assert_eq!(inside, json!({"properties": {"b": 1, "resourceGuardOperationRequests": requests}}));
        assert_eq!(outside, json!({"resourceGuardOperationRequests": requests}));
        assert_eq!(none, json!({"properties": {}}));
    }
}
