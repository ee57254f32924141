//! Reaching into untyped objects: objects stay JSON values here, so that fields that this product does not
//! know survive a restore.

use serde_json::{Map, Value};

/// The value at a path of keys, if every step exists.
pub(crate) fn at<'a>(value: &'a Value, path: &[&str]) -> Option<&'a Value> {
    path.iter().try_fold(value, |value, key| value.get(*key))
}

/// The value at a path of keys, to change it.
pub(crate) fn at_mut<'a>(value: &'a mut Value, path: &[&str]) -> Option<&'a mut Value> {
    path.iter().try_fold(value, |value, key| value.get_mut(*key))
}

/// The string at a path.
pub(crate) fn text<'a>(value: &'a Value, path: &[&str]) -> Option<&'a str> {
    at(value, path)?.as_str()
}

/// Whether the value at a path is `true`.
pub(crate) fn is_true(value: &Value, path: &[&str]) -> bool {
    at(value, path).and_then(Value::as_bool).unwrap_or(false)
}

/// The elements of the list at a path; none when there is no list.
pub(crate) fn items<'a>(value: &'a Value, path: &[&str]) -> &'a [Value] {
    at(value, path).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The elements of the list at a path, to change them; none when there is no list.
pub(crate) fn items_mut<'a>(value: &'a mut Value, path: &[&str]) -> &'a mut [Value] {
    at_mut(value, path).and_then(Value::as_array_mut).map_or(&mut [], Vec::as_mut_slice)
}

/// The map at a path, to change it.
pub(crate) fn map_mut<'a>(value: &'a mut Value, path: &[&str]) -> Option<&'a mut Map<String, Value>> {
    at_mut(value, path)?.as_object_mut()
}

/// Removes the last key of a path and returns what it held.
pub(crate) fn take(value: &mut Value, path: &[&str]) -> Option<Value> {
    let (last, parents) = path.split_last()?;
    map_mut(value, parents)?.remove(*last)
}

/// Sets the last key of a path, making maps on the way; does nothing where a step is not a map.
pub(crate) fn set(value: &mut Value, path: &[&str], new: Value) {
    let Some((first, rest)) = path.split_first() else {
        *value = new;
        return;
    };
    if value.is_null() {
        *value = Value::Object(Map::new());
    }
    if let Some(map) = value.as_object_mut() {
        set(map.entry(*first).or_insert(Value::Null), rest, new);
    }
}

/// Keeps the elements of a list for which `keep` holds, and drops the list when none is left.
pub(crate) fn retain(value: &mut Value, path: &[&str], keep: impl FnMut(&Value) -> bool) {
    let Some(list) = at_mut(value, path).and_then(Value::as_array_mut) else { return };
    list.retain(keep);
    if list.is_empty() {
        take(value, path);
    }
}

/// Removes the map at a path when it is empty.
pub(crate) fn drop_if_empty(value: &mut Value, path: &[&str]) {
    if at(value, path).is_some_and(|found| found.as_object().is_some_and(Map::is_empty)) {
        take(value, path);
    }
}

/// The annotation of this name.
pub(crate) fn annotation<'a>(object: &'a Value, name: &str) -> Option<&'a str> {
    text(object, &["metadata", "annotations", name])
}

/// The label of this name.
pub(crate) fn label<'a>(object: &'a Value, name: &str) -> Option<&'a str> {
    text(object, &["metadata", "labels", name])
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_path_is_made_on_the_way_and_taken_apart_again() {
        let mut object = json!({"metadata": {"name": "a"}});

        set(&mut object, &["metadata", "labels", "tier"], json!("web"));
        let taken = take(&mut object, &["metadata", "labels", "tier"]);
        drop_if_empty(&mut object, &["metadata", "labels"]);

        assert_eq!(taken, Some(json!("web")));
        assert_eq!(object, json!({"metadata": {"name": "a"}}));
    }

    #[test]
    fn a_step_that_is_no_map_is_left_alone() {
        let mut object = json!({"spec": 3});

        set(&mut object, &["spec", "replicas"], json!(1));
        retain(&mut object, &["spec"], |_| false);

        assert_eq!(object, json!({"spec": 3}));
        assert!(items(&object, &["spec"]).is_empty());
    }
}
