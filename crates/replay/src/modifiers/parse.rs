//! Reads the rules strictly: an unknown field, a missing one or a wrong word is an error with its line.

use super::conditions::Conditions;
use super::{Change, Modifiers, Rule, value};
use json_patch::jsonptr::PointerBuf;
use json_patch::{
    AddOperation, CopyOperation, MoveOperation, PatchOperation, RemoveOperation, ReplaceOperation,
    TestOperation,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use protection::{Problem, code};
use serde::Deserialize;
use serde_json::Value;
use serde_saphyr::Spanned;
use std::collections::BTreeMap;

/// The rules cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModifierError {
    /// Line of the ConfigMap's value, from 1, where there is one to name.
    pub line: Option<u64>,
    /// What is wrong.
    pub what: String,
}

impl std::error::Error for ModifierError {}

impl std::fmt::Display for ModifierError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.line {
            Some(line) => write!(f, "the resource modifiers are not valid in line {line}: {}", self.what),
            None => write!(f, "the resource modifiers are not valid: {}", self.what),
        }
    }
}

impl ModifierError {
    pub(super) fn new(what: impl Into<String>) -> Self {
        Self { line: None, what: what.into() }
    }

    /// The same error at this line, unless it names one.
    #[must_use]
    pub fn at(mut self, line: u64) -> Self {
        self.line.get_or_insert(line);
        self
    }

    /// The problem to report.
    pub fn problem(&self) -> Problem {
        Problem::error(code::MODIFIER_INVALID, format!("{self}."))
            .fix("Correct the ConfigMap and start the restore again.")
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct File {
    version: Spanned<String>,
    resource_modifier_rules: Spanned<Vec<Spanned<RuleWire>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RuleWire {
    conditions: Spanned<ConditionsWire>,
    #[serde(default)]
    patches: Vec<Spanned<OperationWire>>,
    #[serde(default)]
    merge_patches: Vec<DataWire>,
    #[serde(default)]
    strategic_patches: Vec<DataWire>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ConditionsWire {
    group_resource: Spanned<String>,
    #[serde(default)]
    resource_name_regex: Option<String>,
    #[serde(default)]
    namespaces: Vec<String>,
    #[serde(default)]
    label_selector: Option<LabelSelectorWire>,
    #[serde(default)]
    matches: Vec<Spanned<MatchWire>>,
}

/// The library's own type ignores unknown fields.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct LabelSelectorWire {
    #[serde(default)]
    match_labels: BTreeMap<String, String>,
    #[serde(default)]
    match_expressions: Vec<RequirementWire>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RequirementWire {
    key: String,
    operator: String,
    #[serde(default)]
    values: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MatchWire {
    path: Spanned<String>,
    #[serde(default)]
    value: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OperationWire {
    operation: Spanned<String>,
    path: Spanned<String>,
    #[serde(default)]
    from: Option<Spanned<String>>,
    #[serde(default)]
    value: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct DataWire {
    patch_data: Spanned<String>,
}

pub(super) fn config_map(data: &BTreeMap<String, String>) -> Result<Modifiers, ModifierError> {
    let mut values = data.values();
    let (Some(text), None) = (values.next(), values.next()) else {
        return Err(ModifierError::new(format!(
            "the ConfigMap must have exactly one data key, and has {}",
            data.len()
        )));
    };
    let file: File = serde_saphyr::from_str(text).map_err(|error| yaml_error(&error))?;
    if file.version.value != "v1" {
        let error = ModifierError::new(format!("version is {:?}, known is \"v1\"", file.version.value));
        return Err(error.at(line(&file.version)));
    }
    let rules = file.resource_modifier_rules;
    if rules.value.is_empty() {
        return Err(ModifierError::new("resourceModifierRules has no rule").at(line(&rules)));
    }
    Ok(Modifiers { rules: rules.value.into_iter().map(rule).collect::<Result<_, _>>()? })
}

fn rule(wire: Spanned<RuleWire>) -> Result<Rule, ModifierError> {
    let at = line(&wire);
    let conditions_line = line(&wire.value.conditions);
    let RuleWire { conditions, patches, merge_patches, strategic_patches } = wire.value;
    let kinds = [patches.is_empty(), merge_patches.is_empty(), strategic_patches.is_empty()];
    if kinds.iter().filter(|empty| !**empty).count() > 1 {
        let what = "a rule has one of patches, mergePatches and strategicPatches, not several";
        return Err(ModifierError::new(what).at(at));
    }
    let change = if !patches.is_empty() {
        Change::Json(patches.into_iter().map(operation).collect::<Result<_, _>>()?)
    } else if !merge_patches.is_empty() {
        Change::Merge(merge_patches.iter().map(patch_data).collect::<Result<_, _>>()?)
    } else if !strategic_patches.is_empty() {
        Change::Strategic(strategic_patches.iter().map(patch_data).collect::<Result<_, _>>()?)
    } else {
        Change::None
    };
    let conditions = read_conditions(conditions.value).map_err(|error| error.at(conditions_line))?;
    Ok(Rule { line: at, conditions, change })
}

fn read_conditions(wire: ConditionsWire) -> Result<Conditions, ModifierError> {
    not_empty("groupResource", &wire.group_resource)?;
    let matches = wire
        .matches
        .into_iter()
        .map(|wanted| {
            let at = line(&wanted);
            let value = typed(&wanted.value.value).map_err(|error| error.at(at))?;
            Ok((pointer("path", &wanted.value.path)?, value))
        })
        .collect::<Result<_, ModifierError>>()?;
    Conditions::new(
        &wire.group_resource.value,
        wire.resource_name_regex.as_deref(),
        &wire.namespaces,
        wire.label_selector.map(label_selector).transpose()?,
        matches,
    )
}

fn label_selector(wire: LabelSelectorWire) -> Result<LabelSelector, ModifierError> {
    let expressions: Vec<Value> = wire
        .match_expressions
        .into_iter()
        .map(|r| serde_json::json!({"key": r.key, "operator": r.operator, "values": r.values}))
        .collect();
    let selector = serde_json::json!({
        "matchLabels": wire.match_labels,
        "matchExpressions": expressions,
    });
    serde_json::from_value(selector).map_err(|error| ModifierError::new(format!("labelSelector: {error}")))
}

fn operation(wire: Spanned<OperationWire>) -> Result<PatchOperation, ModifierError> {
    let at = line(&wire);
    let wire = wire.value;
    let path = pointer("path", &wire.path)?;
    let value = || match &wire.value {
        Some(value) => typed(&value.value).map_err(|error| error.at(line(value))),
        None => Ok(Value::from("")),
    };
    let from = || match &wire.from {
        Some(from) => pointer("from", from),
        None => Err(ModifierError::new("from is missing").at(at)),
    };
    Ok(match wire.operation.value.as_str() {
        "add" => PatchOperation::Add(AddOperation { path, value: value()? }),
        "remove" => PatchOperation::Remove(RemoveOperation { path }),
        "replace" => PatchOperation::Replace(ReplaceOperation { path, value: value()? }),
        "test" => PatchOperation::Test(TestOperation { path, value: value()? }),
        "copy" => PatchOperation::Copy(CopyOperation { path, from: from()? }),
        "move" => PatchOperation::Move(MoveOperation { path, from: from()? }),
        other => {
            let what = format!("operation {other:?} is not add, remove, replace, copy, move or test");
            return Err(ModifierError::new(what).at(line(&wire.operation)));
        }
    })
}

/// Patch data is YAML or JSON; errors inside name the line in which the data begins.
fn patch_data(wire: &DataWire) -> Result<Value, ModifierError> {
    let parsed: Result<Value, _> = serde_saphyr::from_str(&wire.patch_data.value);
    match parsed {
        Ok(value @ Value::Object(_)) => Ok(value),
        Ok(_) => Err(ModifierError::new("patchData is not a map").at(line(&wire.patch_data))),
        Err(error) => {
            let what = format!("patchData: {}", yaml_error(&error).what);
            Err(ModifierError::new(what).at(line(&wire.patch_data)))
        }
    }
}

fn typed(text: &str) -> Result<Value, ModifierError> {
    value::typed(text).ok_or_else(|| ModifierError::new("value looks like JSON and is not"))
}

fn pointer(field: &str, text: &Spanned<String>) -> Result<PointerBuf, ModifierError> {
    not_empty(field, text)?;
    PointerBuf::parse(text.value.clone()).map_err(|_| {
        ModifierError::new(format!("{field} {:?} is not a path such as /spec/replicas", text.value))
            .at(line(text))
    })
}

fn not_empty(field: &str, text: &Spanned<String>) -> Result<(), ModifierError> {
    if text.value.is_empty() {
        return Err(ModifierError::new(format!("{field} is empty")).at(line(text)));
    }
    Ok(())
}

fn line<T>(spanned: &Spanned<T>) -> u64 {
    spanned.referenced.line()
}

fn yaml_error(error: &serde_saphyr::Error) -> ModifierError {
    let plain = error.without_snippet();
    let text = plain.to_string();
    ModifierError {
        line: error.location().map(|location| location.line()),
        what: text.lines().next().unwrap_or("not YAML").to_owned(),
    }
}
