//! Every operation of the management API: method, path, the right that it needs, where that right is looked up, and the
//! handler. The router, the check of rights, the tests, OpenAPI and the table in `docs/vault.md` all read this one list;
//! each module of the API adds its own rows.

use super::{Call, Failure, Needs};
use crate::reply::Reply;
use arm::ArmError;
use http::Method;
use std::{fmt, future::Future, pin::Pin};

/// What a handler gives back.
pub type Answered<'c> = Pin<Box<dyn Future<Output = Result<Reply, Failure>> + Send + 'c>>;
/// Answers a call that was found, understood and permitted.
pub type Handler = for<'c, 'a> fn(&'c Call<'a>) -> Answered<'c>;

/// Where a right must hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum At {
    /// Nowhere in particular.
    Tenant,
    /// At the subscription of the path.
    Subscription,
    /// At the resource group of the path.
    Group,
    /// At the resource that the whole path names.
    Path,
    /// At the resource above a list or an action: the longest beginning of the path that is an id.
    Above,
    /// At what stands before the last `/providers/` in the path.
    Scope,
}

/// One row.
#[derive(Clone, Copy)]
pub struct Operation {
    /// `Resource_Verb`, unique up to the paths of one operation; the operation's id in OpenAPI.
    pub name: &'static str,
    /// HTTP method.
    pub method: &'static Method,
    /// Path; `{name}` stands for one part, `{scope}` at the beginning for any number of parts.
    pub path: &'static str,
    /// What the caller must have.
    pub needs: Needs,
    /// Where.
    pub at: At,
    /// What answers.
    pub handler: Handler,
    /// Why it is refused in every case, for features that this vault does not have.
    pub absent: Option<&'static str>,
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

/// A row of a module's table.
pub const fn row(
    name: &'static str,
    method: &'static Method,
    path: &'static str,
    needs: Needs,
    at: At,
    handler: Handler,
) -> Operation {
    Operation { name, method, path, needs, at, handler, absent: None }
}

/// A row of an operation that the original has and this vault does not: it is refused with the reason.
pub const fn absent(
    name: &'static str,
    method: &'static Method,
    path: &'static str,
    needs: Needs,
    at: At,
    reason: &'static str,
) -> Operation {
    Operation { absent: Some(reason), ..row(name, method, path, needs, at, |call| Box::pin(refuse(call))) }
}

async fn refuse(call: &Call<'_>) -> Result<Reply, Failure> {
    let reason = call.operation.absent.unwrap_or("it is not offered");
    let message = format!("'{}' is not offered by this vault: {reason}.", call.operation.name);
    Err(ArmError::new(400, "UserErrorOperationNotSupported", message).into())
}

/// The tables of all modules. No row is there twice; of two whose paths both fit, the first one counts.
const TABLES: &[&[Operation]] = &[
    super::subscriptions::OPERATIONS,
    super::groups::OPERATIONS,
    super::providers::OPERATIONS,
    super::role_definitions::OPERATIONS,
    super::identities::OPERATIONS,
    super::clusters::OPERATIONS,
    super::permissions::OPERATIONS,
    super::role_assignments::OPERATIONS,
    super::locks::OPERATIONS,
    super::operation::OPERATIONS,
    super::extensions::OPERATIONS,
    super::instances::OPERATIONS,
    super::points::OPERATIONS,
    super::jobs::OPERATIONS,
    super::alerts::OPERATIONS,
    super::vaults::OPERATIONS,
    super::policies::OPERATIONS,
    super::guards::OPERATIONS,
    super::storage::OPERATIONS,
    super::graph::OPERATIONS,
    super::inventory::OPERATIONS,
    super::operation_lists::OPERATIONS,
    super::not_offered::OPERATIONS,
];

/// All operations.
pub fn operations() -> impl Iterator<Item = &'static Operation> {
    TABLES.iter().copied().flatten()
}

/// What a method and the parts of a path lead to.
pub fn find(method: &Method, parts: &[String]) -> Found {
    let mut others = Vec::new();
    for operation in operations() {
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

impl fmt::Debug for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} {})", self.name, self.method, self.path)
    }
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

    fn op(method: &Method, path: &str) -> Option<(&'static str, Params)> {
        let parts: Vec<String> = path.split('/').skip(1).map(str::to_owned).collect();
        match find(method, &parts) {
            Found::Operation(operation, params) => Some((operation.name, params)),
            _ => None,
        }
    }

    #[test]
    fn no_operation_is_declared_twice() {
        let mut seen = std::collections::BTreeMap::new();

        for one in operations() {
            let key = (one.method.as_str(), one.path.to_lowercase());
            let before = seen.insert(key, one.name);
            assert_eq!(before, None, "{} {} is declared twice", one.method, one.path);
        }
    }

    #[test]
    fn case_does_not_matter_and_names_keep_theirs() {
        let (found, params) = op(&Method::PUT, "/Subscriptions/S/RESOURCEGROUPS/My-Group").unwrap();

        assert_eq!((found, params.get("group")), ("ResourceGroups_CreateOrUpdate", "My-Group"));
    }

    #[test]
    fn a_scope_is_everything_before_the_last_provider() {
        let scope = "/subscriptions/s/resourceGroups/g/providers/Microsoft.DataProtection/backupVaults/v";
        let path = format!("{scope}/providers/Microsoft.Authorization/roleAssignments/n");

        let (found, params) = op(&Method::GET, &path).unwrap();

        assert_eq!((found, params.get("scope"), params.get("name")), ("RoleAssignments_Get", scope, "n"));
    }

    /// `COFFERDAM_UPDATE=1` writes the page anew.
    #[test]
    fn the_page_in_the_documents_shows_every_operation_with_what_it_needs() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/management-api.md");
        let needs = |operation: &Operation| match operation.needs {
            Needs::SignIn => "a token".to_owned(),
            Needs::AnyRole => "any role in it".to_owned(),
            Needs::Action(action) => format!("`{action}`"),
            Needs::NamespaceAction(action) => format!("`{{namespace}}/{action}`"),
        };
        let mut page = include_str!("operations.page").to_owned();
        for one in operations() {
            let state = one.absent.map_or_else(|| "works".to_owned(), |reason| format!("refused: {reason}"));
            page.push_str(&format!(
                "| {} | `{}` | {} | {} | {state} |\n",
                one.method,
                one.path,
                one.name,
                needs(one)
            ));
        }

        if std::env::var_os("COFFERDAM_UPDATE").is_some() {
            std::fs::write(path, &page).unwrap();
        }

        assert!(std::fs::read_to_string(path).unwrap_or_default() == page, "run it with COFFERDAM_UPDATE=1");
    }

    #[test]
    fn another_method_and_another_path_are_told_apart() {
        let parts = |path: &str| path.split('/').skip(1).map(str::to_owned).collect::<Vec<_>>();

        assert!(matches!(find(&Method::POST, &parts("/tenants")), Found::OtherMethods(_)));
        assert!(matches!(find(&Method::GET, &parts("/nothing")), Found::Nothing));
        assert!(matches!(find(&Method::GET, &[]), Found::Nothing));
    }
}
