//! Every operation of the management API: method, path, the right that it needs, and where that right is looked up.
//! The router, the check of rights, the tests and the table in `docs/vault.md` all read this one list.

use super::Needs;
use http::Method;

/// An operation; `handle` says which function does it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Op {
    TenantsList,
    SubscriptionsList,
    SubscriptionGet,
    LocationsList,
    OperationResult,
    GroupsList,
    GroupGet,
    GroupExists,
    GroupPut,
    GroupPatch,
    GroupDelete,
    ProvidersList,
    ProviderGet,
    ProviderRegister,
    ProviderUnregister,
    RoleDefinitionsList,
    RoleDefinitionGet,
    RoleAssignmentsList,
    RoleAssignmentGet,
    RoleAssignmentPut,
    RoleAssignmentDelete,
}

/// Where a right must hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum At {
    /// Nowhere in particular.
    Tenant,
    /// At the subscription of the path.
    Subscription,
    /// At the resource that the whole path names.
    Path,
    /// At what stands before `/providers/` in the path.
    Scope,
}

/// One row.
#[derive(Debug, Clone, Copy)]
pub struct Operation {
    /// Which.
    pub op: Op,
    /// HTTP method.
    pub method: &'static Method,
    /// Path; `{name}` stands for one part, `{scope}` at the beginning for any number of parts.
    pub path: &'static str,
    /// What the caller must have.
    pub needs: Needs,
    /// Where.
    pub at: At,
}

/// The parts of the path that the names in braces stand for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Params(Vec<(&'static str, String)>);

/// What a method and a path lead to.
#[derive(Debug, Clone)]
pub enum Found {
    /// An operation.
    Operation(&'static Operation, Params),
    /// A path of other methods.
    OtherMethods(Vec<&'static Method>),
    /// Nothing.
    Nothing,
}

const fn row(op: Op, method: &'static Method, path: &'static str, needs: Needs, at: At) -> Operation {
    Operation { op, method, path, needs, at }
}

const GROUPS: &str = "/subscriptions/{subscription}/resourcegroups";
const ONE_GROUP: &str = "/subscriptions/{subscription}/resourcegroups/{group}";
const ONE_PROVIDER: &str = "/subscriptions/{subscription}/providers/{namespace}";
const DEFINITIONS: &str = "/{scope}/providers/microsoft.authorization/roledefinitions";
const ONE_DEFINITION: &str = "/{scope}/providers/microsoft.authorization/roledefinitions/{name}";
const ASSIGNMENTS: &str = "/{scope}/providers/microsoft.authorization/roleassignments";
const ONE_ASSIGNMENT: &str = "/{scope}/providers/microsoft.authorization/roleassignments/{name}";

const READ_GROUP: Needs = Needs::Action("Microsoft.Resources/subscriptions/resourceGroups/read");
const WRITE_GROUP: Needs = Needs::Action("Microsoft.Resources/subscriptions/resourceGroups/write");
const DELETE_GROUP: Needs = Needs::Action("Microsoft.Resources/subscriptions/resourceGroups/delete");
const READ_PROVIDER: Needs = Needs::Action("Microsoft.Resources/subscriptions/providers/read");
const READ_DEFINITION: Needs = Needs::Action("Microsoft.Authorization/roleDefinitions/read");
const READ_ASSIGNMENT: Needs = Needs::Action("Microsoft.Authorization/roleAssignments/read");
const WRITE_ASSIGNMENT: Needs = Needs::Action("Microsoft.Authorization/roleAssignments/write");
const DELETE_ASSIGNMENT: Needs = Needs::Action("Microsoft.Authorization/roleAssignments/delete");

/// The list. Where two rows fit, the first one counts.
pub const OPERATIONS: &[Operation] = &[
    row(Op::TenantsList, &Method::GET, "/tenants", Needs::SignIn, At::Tenant),
    row(Op::SubscriptionsList, &Method::GET, "/subscriptions", Needs::SignIn, At::Tenant),
    row(Op::SubscriptionGet, &Method::GET, "/subscriptions/{subscription}", Needs::AnyRole, At::Subscription),
    row(
        Op::LocationsList,
        &Method::GET,
        "/subscriptions/{subscription}/locations",
        Needs::AnyRole,
        At::Subscription,
    ),
    row(
        Op::OperationResult,
        &Method::GET,
        "/subscriptions/{subscription}/operationresults/{operation}",
        Needs::SignIn,
        At::Subscription,
    ),
    row(Op::GroupsList, &Method::GET, GROUPS, Needs::AnyRole, At::Subscription),
    row(Op::GroupGet, &Method::GET, ONE_GROUP, READ_GROUP, At::Path),
    row(Op::GroupExists, &Method::HEAD, ONE_GROUP, READ_GROUP, At::Path),
    row(Op::GroupPut, &Method::PUT, ONE_GROUP, WRITE_GROUP, At::Path),
    row(Op::GroupPatch, &Method::PATCH, ONE_GROUP, WRITE_GROUP, At::Path),
    row(Op::GroupDelete, &Method::DELETE, ONE_GROUP, DELETE_GROUP, At::Path),
    row(
        Op::ProvidersList,
        &Method::GET,
        "/subscriptions/{subscription}/providers",
        READ_PROVIDER,
        At::Subscription,
    ),
    row(Op::ProviderGet, &Method::GET, ONE_PROVIDER, READ_PROVIDER, At::Subscription),
    row(
        Op::ProviderRegister,
        &Method::POST,
        "/subscriptions/{subscription}/providers/{namespace}/register",
        Needs::NamespaceAction("register/action"),
        At::Subscription,
    ),
    row(
        Op::ProviderUnregister,
        &Method::POST,
        "/subscriptions/{subscription}/providers/{namespace}/unregister",
        Needs::NamespaceAction("unregister/action"),
        At::Subscription,
    ),
    row(
        Op::RoleDefinitionsList,
        &Method::GET,
        "/providers/microsoft.authorization/roledefinitions",
        Needs::SignIn,
        At::Tenant,
    ),
    row(
        Op::RoleDefinitionGet,
        &Method::GET,
        "/providers/microsoft.authorization/roledefinitions/{name}",
        Needs::SignIn,
        At::Tenant,
    ),
    row(Op::RoleDefinitionsList, &Method::GET, DEFINITIONS, READ_DEFINITION, At::Scope),
    row(Op::RoleDefinitionGet, &Method::GET, ONE_DEFINITION, READ_DEFINITION, At::Scope),
    row(Op::RoleAssignmentsList, &Method::GET, ASSIGNMENTS, READ_ASSIGNMENT, At::Scope),
    row(Op::RoleAssignmentGet, &Method::GET, ONE_ASSIGNMENT, READ_ASSIGNMENT, At::Path),
    row(Op::RoleAssignmentPut, &Method::PUT, ONE_ASSIGNMENT, WRITE_ASSIGNMENT, At::Path),
    row(Op::RoleAssignmentDelete, &Method::DELETE, ONE_ASSIGNMENT, DELETE_ASSIGNMENT, At::Path),
];

/// What a method and the parts of a path lead to.
pub fn find(method: &Method, parts: &[String]) -> Found {
    let mut others = Vec::new();
    for operation in OPERATIONS {
        let Some(params) = matched(operation.path, parts) else { continue };
        if operation.method == method {
            return Found::Operation(operation, params);
        }
        others.push(operation.method);
    }
    if others.is_empty() { Found::Nothing } else { Found::OtherMethods(others) }
}

fn matched(path: &'static str, parts: &[String]) -> Option<Params> {
    let mut template: Vec<&'static str> = path.split('/').skip(1).collect();
    let mut params = Vec::new();
    let mut rest = parts;
    if template.first() == Some(&"{scope}") {
        template.remove(0);
        let at = parts.len().checked_sub(template.len()).filter(|at| *at > 0)?;
        let (scope, behind) = parts.split_at_checked(at)?;
        params.push(("scope", format!("/{}", scope.join("/"))));
        rest = behind;
    }
    if template.len() != rest.len() {
        return None;
    }
    for (wanted, part) in template.into_iter().zip(rest) {
        match wanted.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
            Some(name) => params.push((name, part.clone())),
            None if wanted.eq_ignore_ascii_case(part) => {}
            None => return None,
        }
    }
    Some(Params(params))
}

impl Params {
    /// The part that a name stands for, in the case of the request.
    pub fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(key, _)| *key == name).map_or("", |(_, value)| value.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn op(method: &Method, path: &str) -> Option<(Op, Params)> {
        let parts: Vec<String> = path.split('/').skip(1).map(str::to_owned).collect();
        match find(method, &parts) {
            Found::Operation(operation, params) => Some((operation.op, params)),
            _ => None,
        }
    }

    #[test]
    fn case_does_not_matter_and_names_keep_theirs() {
        let (found, params) = op(&Method::PUT, "/Subscriptions/S/RESOURCEGROUPS/My-Group").unwrap();

        assert_eq!((found, params.get("group")), (Op::GroupPut, "My-Group"));
    }

    #[test]
    fn a_scope_is_everything_before_the_last_provider() {
        let scope = "/subscriptions/s/resourceGroups/g/providers/Microsoft.DataProtection/backupVaults/v";
        let path = format!("{scope}/providers/Microsoft.Authorization/roleAssignments/n");

        let (found, params) = op(&Method::GET, &path).unwrap();

        assert_eq!((found, params.get("scope"), params.get("name")), (Op::RoleAssignmentGet, scope, "n"));
    }

    #[test]
    fn the_table_in_the_documents_shows_every_operation_with_what_it_needs() {
        let document =
            std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/vault.md")).unwrap();
        let needs = |operation: &Operation| match operation.needs {
            Needs::SignIn => "a token".to_owned(),
            Needs::AnyRole => "any role in it".to_owned(),
            Needs::Action(action) => format!("`{action}`"),
            Needs::NamespaceAction(action) => format!("`{{namespace}}/{action}`"),
        };

        let missing: Vec<String> = OPERATIONS
            .iter()
            .map(|one| format!("| {} | `{}` | {} |", one.method, one.path, needs(one)))
            .filter(|row| !document.lines().any(|line| line == row))
            .collect();

        assert!(missing.is_empty(), "{missing:#?}");
    }

    #[test]
    fn another_method_and_another_path_are_told_apart() {
        let parts = |path: &str| path.split('/').skip(1).map(str::to_owned).collect::<Vec<_>>();

        assert!(matches!(find(&Method::POST, &parts("/tenants")), Found::OtherMethods(_)));
        assert!(matches!(find(&Method::GET, &parts("/nothing")), Found::Nothing));
        assert!(matches!(find(&Method::GET, &[]), Found::Nothing));
    }
}
