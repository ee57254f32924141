//! The OpenAPI document: every operation of the table, with schemas where wire types exist and free-form objects else.

use super::{Needs, Operation, alerts, operations};
use arm::dataprotection::{BackupPolicy, VaultSettings};
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// What the document says when no client asks for another version.
const VERSION: &str = "2026-06-01";
const REFERENCE: &str = "#/components/schemas/";
const SCOPE: &str = "A subscription, a resource group or a resource; its slashes stand as they are.";
/// Types whose name is their `objectType`.
const TAGGED: [&str; 6] = [
    "AbsoluteDeleteOption",
    "AzureBackupParams",
    "BackupPolicy",
    "DataStoreInfoBase",
    "ScheduleBasedBackupCriteria",
    "ScheduleBasedTriggerContext",
];

/// The document.
pub fn document() -> Value {
    let mut paths = Map::new();
    let mut names = BTreeSet::new();
    for operation in operations() {
        let path = operation.path.replace("/{scope}", "{scope}");
        let path = if path.starts_with("{scope}") { format!("/{path}") } else { path };
        let entry = paths.entry(path).or_insert_with(|| json!({"parameters": parameters(operation.path)}));
        let mut name = operation.name.to_owned();
        let mut number = 1;
        while !names.insert(name.clone()) {
            number += 1;
            name = format!("{}_{number}", operation.name);
        }
        if let Some(entry) = entry.as_object_mut() {
            let method = operation.method.as_str().to_lowercase();
            entry.entry(method).or_insert_with(|| one(operation, &name));
        }
    }
    json!({
        "openapi": "3.0.3",
        "info": {
            "title": "Cofferdam management API",
            "version": VERSION,
            "description": "Azure Resource Manager's REST API as the vault speaks it. Written by a test from the list \
                            that the router reads. Answers may hold more than the schemas say; unknown fields of requests \
                            are ignored; names of fields match in any case.",
        },
        "paths": paths,
        "security": [{"bearer": []}],
        "components": {
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
            "schemas": schemas(),
        },
    })
}

fn parameters(path: &str) -> Vec<Value> {
    let names = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let path = names.map(|name| {
        let schema = match name {
            "scope" => json!({"type": "string", "minLength": 1, "description": SCOPE}),
            _ => json!({"type": "string", "minLength": 1}),
        };
        json!({"name": name, "in": "path", "required": true, "schema": schema})
    });
    let version = json!({
        "name": "api-version", "in": "query", "required": true,
        "schema": {"type": "string", "example": VERSION, "pattern": r"^\d{4}-\d{2}-\d{2}(-preview)?$"},
    });
    path.chain([version]).collect()
}

fn one(operation: &Operation, name: &str) -> Value {
    let needs = match operation.needs {
        Needs::SignIn => "a token".to_owned(),
        Needs::AnyRole => "any role in the scope".to_owned(),
        Needs::Action(action) => action.to_owned(),
        Needs::NamespaceAction(action) => format!("{{namespace}}/{action}"),
    };
    let mut one = Map::new();
    one.insert("operationId".to_owned(), json!(name));
    one.insert("description".to_owned(), json!(format!("Needs {needs}.")));
    if let Some(reason) = operation.absent {
        one.insert("description".to_owned(), json!(format!("Refused: {reason}.")));
    }
    if let Some(group) = operation.name.split('_').next() {
        one.insert("tags".to_owned(), json!([group]));
    }
    let queries = queries(operation.name);
    if !queries.is_empty() {
        one.insert("parameters".to_owned(), json!(queries));
    }
    if matches!(operation.method.as_str(), "PUT" | "PATCH" | "POST") {
        let schema = request(operation.name);
        one.insert("requestBody".to_owned(), json!({"content": {"application/json": {"schema": schema}}}));
    }
    one.insert("responses".to_owned(), responses(operation));
    Value::Object(one)
}

/// What an operation takes in its query besides the `api-version`.
fn queries(name: &str) -> Vec<Value> {
    let of = |(name, about): (&str, &str), required: bool| {
        json!({"name": name, "in": "query", "required": required, "description": about,
            "schema": {"type": "string"}})
    };
    match name {
        "Alerts_GetAll" => alerts::LIST_PARAMETERS.map(|one| of(one, false)).to_vec(),
        "Alerts_ChangeState" => vec![of(("newState", "New, Acknowledged or Closed."), true)],
        _ => Vec::new(),
    }
}

/// Answers per status. Errors of every status have one shape.
fn responses(operation: &Operation) -> Value {
    let mut all = Map::new();
    let empty = |about: &str| json!({"description": about});
    let document = |about: &str, schema: &Value| json!({"description": about, "content": {"application/json": {"schema": schema}}});
    let schema = answer(operation);
    match operation.method.as_str() {
        "HEAD" => {
            all.insert("204".to_owned(), empty("It exists."));
            all.insert("default".to_owned(), empty("It does not, or may not be asked for."));
            return Value::Object(all);
        }
        // Its answer shows the assignment that is gone.
        "DELETE" if operation.name == "RoleAssignments_Delete" => {
            all.insert("200".to_owned(), document("Gone.", &schema));
            all.insert("204".to_owned(), empty("It was not there."));
        }
        "DELETE" => {
            for (status, about) in [("200", "Gone."), ("202", "Under way."), ("204", "It was not there.")] {
                all.insert(status.to_owned(), empty(about));
            }
        }
        "POST" => {
            all.insert("200".to_owned(), document("Done.", &schema));
            all.insert("202".to_owned(), empty("Under way."));
            all.insert("204".to_owned(), empty("Done, with nothing to tell."));
        }
        "PUT" => {
            all.insert("200".to_owned(), document("Replaced, or as it was.", &schema));
            all.insert("201".to_owned(), document("Created.", &schema));
        }
        // What a group's deletion ends in has no document.
        "GET" if operation.name == "Subscriptions_OperationResult" => {
            all.insert("200".to_owned(), empty("It ended."));
            all.insert("202".to_owned(), empty("Under way."));
        }
        method => {
            all.insert("200".to_owned(), document("As it is.", &schema));
            if method == "PATCH" || operation.name.to_lowercase().contains("operationresult") {
                all.insert("202".to_owned(), empty("Under way."));
            }
        }
    }
    all.insert(
        "default".to_owned(),
        document("Refused.", &json!({"$ref": format!("{REFERENCE}ErrorResponse")})),
    );
    Value::Object(all)
}

/// The schema of an answer.
fn answer(operation: &Operation) -> Value {
    let of = |name: &str| json!({"$ref": format!("{REFERENCE}{name}")});
    let list = |item: Value| {
        json!({"type": "object", "required": ["value"], "properties": {
            "value": {"type": "array", "items": item}, "nextLink": {"type": "string", "nullable": true}}})
    };
    match operation.name {
        "BackupVaults_Get" | "BackupVaults_CreateOrUpdate" | "BackupVaults_Update" => {
            of("BackupVaultResource")
        }
        "BackupVaults_GetInSubscription" | "BackupVaults_GetInResourceGroup" => {
            list(of("BackupVaultResource"))
        }
        "BackupPolicies_Get" | "BackupPolicies_CreateOrUpdate" => of("BackupPolicyResource"),
        "BackupPolicies_List" => list(of("BackupPolicyResource")),
        "ResourceGuards_Get" | "ResourceGuards_Put" | "ResourceGuards_Patch" => of("ResourceGuardResource"),
        "ResourceGuards_GetResourcesInSubscription" | "ResourceGuards_GetResourcesInResourceGroup" => {
            list(of("ResourceGuardResource"))
        }
        "Alerts_GetById" | "Alerts_ChangeState" => of("AlertResource"),
        "Alerts_GetAll" => list(of("AlertResource")),
        "BackupInstances_GetPrerequisites" => of("PrerequisitesReportResource"),
        name if name.contains("_List") && operation.method == http::Method::GET => {
            list(json!({"type": "object"}))
        }
        _ => json!({"type": "object"}),
    }
}

/// The schema of a request: nothing is said to be required, because errors name what is missing better.
fn request(name: &str) -> Value {
    let texts = json!({"type": "object", "additionalProperties": {"type": "string"}});
    let of = |name: &str| json!({"$ref": format!("{REFERENCE}{name}Given")});
    let identity = json!({"type": "object", "properties": {
        "type": {"type": "string", "enum": ["SystemAssigned", "UserAssigned", "SystemAssigned,UserAssigned", "None"]},
        "userAssignedIdentities": {"type": "object"}}});
    let tracked = |properties: Value| json!({"type": "object", "properties": {"location": {"type": "string"}, "tags": texts, "properties": properties}});
    match name {
        "BackupVaults_CreateOrUpdate" | "BackupVaults_Update" => {
            json!({"type": "object", "properties": {"location": {"type": "string"}, "tags": texts,
                "identity": identity, "properties": of("VaultSettings")}})
        }
        "BackupPolicies_CreateOrUpdate" => {
            json!({"type": "object", "properties": {"properties": of("BackupPolicy")}})
        }
        "ResourceGuards_Put" | "ResourceGuards_Patch" => tracked(json!({"type": "object", "properties": {
            "vaultCriticalOperationExclusionList": {"type": "array", "items": {"type": "string"}},
            "description": {"type": "string"}}})),
        "Alerts_ChangeState" => {
            json!({"type": "object", "properties": {"comments": {"type": "string"}}})
        }
        "ResourceGroups_CreateOrUpdate" | "ResourceGroups_Update" => tracked(json!({"type": "object"})),
        _ => json!({"type": "object"}),
    }
}

fn schemas() -> Map<String, Value> {
    let mut generator = SchemaSettings::openapi3().into_generator();
    generator.subschema_for::<VaultSettings>();
    generator.subschema_for::<BackupPolicy>();
    let known = generator.take_definitions(true);
    let mut all = Map::new();
    for (name, schema) in known {
        let schema = if TAGGED.contains(&name.as_str()) { tagged(&name, schema) } else { schema };
        all.insert(format!("{name}Given"), as_given(&schema));
        all.insert(name, schema);
    }
    let text = json!({"type": "string"});
    let base = |properties: Value| {
        json!({"type": "object", "required": ["id", "name", "type", "properties"],
            "properties": {"id": text, "name": text, "type": text, "properties": properties}})
    };
    let tracked = |identity: Value, properties: Value| {
        json!({"type": "object", "required": ["id", "name", "type", "location", "properties"],
            "properties": {"id": text, "name": text, "type": text, "location": text, "eTag": text,
                "tags": {"type": "object", "additionalProperties": {"type": "string"}},
                "identity": identity, "properties": properties}})
    };
    let state = json!({"type": "object", "required": ["provisioningState"], "properties": {
        "provisioningState": {"type": "string"}, "isVaultProtectedByResourceGuard": {"type": "boolean"}}});
    let settings = json!({"$ref": format!("{REFERENCE}VaultSettings")});
    let identity = json!({"type": "object", "required": ["type"], "properties": {"type": text}});
    let vault = tracked(identity, json!({"allOf": [settings, state]}));
    all.insert("BackupVaultResource".to_owned(), vault);
    all.insert("BackupPolicyResource".to_owned(), base(json!({"$ref": format!("{REFERENCE}BackupPolicy")})));
    let essentials =
        ["severity", "alertState", "monitorCondition", "targetResource", "alertRule", "startDateTime"];
    all.insert(
        "AlertResource".to_owned(),
        base(json!({"type": "object", "required": ["essentials"], "properties": {"essentials": {
            "type": "object", "required": essentials,
            "properties": essentials.iter().map(|name| ((*name).to_owned(), text.clone())).collect::<Map<_, _>>()}}})),
    );
    all.insert("PrerequisitesReportResource".to_owned(), base(prerequisites_report()));
    all.insert("ResourceGuardResource".to_owned(), tracked(json!({}), json!({"type": "object"})));
    all.insert(
        "ErrorResponse".to_owned(),
        json!({"type": "object", "required": ["error"], "properties": {"error": {"$ref": format!("{REFERENCE}Error")}}}),
    );
    all.insert(
        "Error".to_owned(),
        json!({"type": "object", "required": ["code", "message"], "properties": {
            "code": text, "message": text, "target": text,
            "details": {"type": "array", "items": {"$ref": format!("{REFERENCE}Error")}}}}),
    );
    all
}

/// What is known of the prerequisites of an instance.
fn prerequisites_report() -> Value {
    let text = json!({"type": "string"});
    let texts = json!({"type": "array", "items": text});
    let time = json!({"type": "string", "format": "date-time", "nullable": true});
    let maybe = json!({"type": "string", "nullable": true});
    let number = json!({"type": "integer"});
    let counts = ["checks", "blocking", "failed", "passed", "notObservable", "skipped", "notApplicable"];
    let counts: Map<String, Value> = counts.iter().map(|name| ((*name).to_owned(), number.clone())).collect();
    let check = json!({"type": "object",
        "required": ["id", "title", "severity", "verdict", "evidence", "observedBy", "observedAt", "since"],
        "properties": {
            "id": text, "title": text, "reason": maybe, "scope": maybe,
            "severity": {"type": "string", "enum": ["Block", "Warn"]},
            "verdict": {"type": "string",
                "enum": ["Failed", "NotObservable", "Skipped", "Passed", "NotApplicable"]},
            "code": maybe,
            "evidence": {"type": "object", "required": ["sentence"], "properties": {
                "sentence": text, "objects": texts, "total": number}},
            "recommendedAction": texts, "dependsOn": texts, "documentation": maybe,
            "observedBy": {"type": "string", "enum": ["vault", "cluster"]},
            "observedAt": time, "since": time, "alert": {"type": "boolean"}}});
    json!({"type": "object", "required": ["objectType", "state", "summary", "checks"], "properties": {
        "objectType": {"type": "string", "enum": ["PrerequisitesReport"]},
        "backupInstanceId": text,
        "state": {"type": "string", "enum": ["NotLookedAt", "Blocked", "Warned", "NotObserved", "Well"]},
        "lookedAt": time, "nextLookAt": time, "clusterAnsweredAt": time,
        "everySeconds": {"type": "integer", "nullable": true},
        "clusterNotAskedBecause": maybe,
        "summary": {"type": "object", "properties": counts},
        "checks": {"type": "array", "items": check}}})
}

/// A schema with the `objectType` that the generator leaves out.
fn tagged(name: &str, mut schema: Value) -> Value {
    if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        properties.insert("objectType".to_owned(), json!({"type": "string", "enum": [name]}));
    }
    if let Some(required) = schema.get_mut("required").and_then(Value::as_array_mut) {
        required.push(json!("objectType"));
    }
    schema
}

/// The same schema for requests: nothing is required, and what it refers to neither.
fn as_given(schema: &Value) -> Value {
    match schema {
        Value::Object(object) => {
            let kept = object.iter().filter(|(name, value)| !(*name == "required" && value.is_array()));
            let given = kept.map(|(name, value)| match value.as_str() {
                Some(text) if name == "$ref" => (name.clone(), json!(format!("{text}Given"))),
                _ => (name.clone(), as_given(value)),
            });
            Value::Object(given.collect())
        }
        Value::Array(list) => list.iter().map(as_given).collect(),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `COFFERDAM_UPDATE=1` writes the document anew.
    #[test]
    fn the_document_in_the_repository_shows_every_operation() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../openapi/cofferdam.json");
        let text = format!("{:#}\n", document());

        if std::env::var_os("COFFERDAM_UPDATE").is_some() {
            std::fs::create_dir_all(std::path::Path::new(path).parent().unwrap()).unwrap();
            std::fs::write(path, &text).unwrap();
        }

        assert!(std::fs::read_to_string(path).unwrap_or_default() == text, "run it with COFFERDAM_UPDATE=1");
    }

    #[test]
    fn whatever_is_referred_to_is_there() {
        let document = document();
        let text = document.to_string();

        let names = text.split(REFERENCE).skip(1).filter_map(|rest| rest.split('"').next());
        for name in names.collect::<BTreeSet<_>>() {
            assert!(document["components"]["schemas"].get(name).is_some(), "{name}");
        }
    }

    #[test]
    fn what_the_vault_shows_fits_the_schema() {
        let schemas = schemas();

        assert!(schemas["VaultSettings"]["properties"]["securitySettings"].is_object());
        assert!(
            schemas["VaultSettings"]["required"].is_array()
                && schemas["VaultSettingsGiven"].get("required").is_none()
        );
        for name in TAGGED {
            assert_eq!(schemas[name]["properties"]["objectType"]["enum"], json!([name]));
        }
    }
}
