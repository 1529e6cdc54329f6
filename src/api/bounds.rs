//! What the service requires of parameters and fields beyond their types, in the OpenAPI document:
//! `openapi/bounds.toml`.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::openapi::schema::Schema;
use utoipa::openapi::{OpenApi, RefOr};

use super::operations::for_each_operation;

const BOUNDS: &str = include_str!("../../openapi/bounds.toml");
/// The keywords of a list that are not for its entries.
const OF_LISTS: [&str; 3] = ["minItems", "maxItems", "uniqueItems"];

/// The file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Bounds {
    shapes: BTreeMap<String, Map<String, Value>>,
    parameters: BTreeMap<String, Bound>,
    fields: BTreeMap<String, BTreeMap<String, Bound>>,
}

/// The keywords of a parameter or field.
#[derive(Deserialize)]
#[serde(untagged)]
enum Bound {
    /// Those of a shape.
    Shape(String),
    /// These.
    Keywords(Map<String, Value>),
}

impl Bounds {
    fn keywords<'b>(&'b self, bound: &'b Bound) -> Option<&'b Map<String, Value>> {
        match bound {
            Bound::Shape(name) => self.shapes.get(name),
            Bound::Keywords(keywords) => Some(keywords),
        }
    }

    fn of_parameter(&self, operation: &str, name: &str) -> Option<&Map<String, Value>> {
        let bound = self.parameters.get(&format!("{operation}.{name}"));
        self.keywords(bound.or_else(|| self.parameters.get(name))?)
    }
}

/// Adds them to a document. A unit test checks that the file can be read and that every name
/// in it exists.
pub fn add_bounds(document: &mut OpenApi) {
    let Ok(bounds) = toml::from_str::<Bounds>(BOUNDS) else { return };
    for_each_operation(document, |id, operation| {
        for parameter in operation.parameters.iter_mut().flatten() {
            let RefOr::T(parameter) = parameter else { continue };
            // A parameter with words or a pattern of its own is bounded already.
            if let Some(schema) = &mut parameter.schema
                && let Some(keywords) = bounds.of_parameter(id, &parameter.name)
                && !is_bounded(schema)
            {
                bound_schema(schema, keywords);
            }
        }
    });
    let Some(components) = &mut document.components else { return };
    for (name, fields) in &bounds.fields {
        let Some(RefOr::T(schema)) = components.schemas.get_mut(name) else { continue };
        let Schema::Object(object) = schema else { continue };
        for (field, bound) in fields {
            if let Some(property) = object.properties.get_mut(field)
                && let Some(keywords) = bounds.keywords(bound)
            {
                bound_schema(property, keywords);
            }
        }
    }
}

fn is_bounded(schema: &RefOr<Schema>) -> bool {
    let Ok(value) = serde_json::to_value(schema) else { return false };
    ["enum", "pattern"].iter().any(|keyword| value.get(keyword).is_some())
}

/// Adds keywords to a schema; those of entries to the schema of the entries.
fn bound_schema(schema: &mut RefOr<Schema>, keywords: &Map<String, Value>) {
    let Ok(Value::Object(mut value)) = serde_json::to_value(&*schema) else { return };
    let (of_list, of_entries): (Vec<_>, Vec<_>) =
        keywords.clone().into_iter().partition(|(keyword, _)| OF_LISTS.contains(&keyword.as_str()));
    value.extend(of_list);
    match value.get_mut("items") {
        Some(Value::Object(entry)) => entry.extend(of_entries),
        _ => value.extend(of_entries),
    }
    if let Ok(bounded) = serde_json::from_value(Value::Object(value)) {
        *schema = bounded;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_in_the_file_exists() {
        let bounds: Bounds = toml::from_str(BOUNDS).unwrap();
        let document = serde_json::to_value(crate::api::openapi()).unwrap();
        let mut parameters = Vec::new();
        for item in document["paths"].as_object().unwrap().values() {
            for operation in item.as_object().unwrap().values() {
                for parameter in operation["parameters"].as_array().unwrap() {
                    let name = parameter["name"].as_str().unwrap();
                    parameters.push(name.to_owned());
                    parameters
                        .push(format!("{}.{name}", operation["operationId"].as_str().unwrap()));
                }
            }
        }
        for (name, bound) in &bounds.parameters {
            assert!(parameters.contains(name), "no parameter {name}");
            assert!(bounds.keywords(bound).is_some(), "{name} names no shape");
        }
        for (schema, fields) in &bounds.fields {
            let properties = &document["components"]["schemas"][schema]["properties"];
            for (field, bound) in fields {
                let property = properties[field].as_object();
                let property = property.unwrap_or_else(|| panic!("no field {schema}.{field}"));
                let entries = property.get("items").unwrap_or(&Value::Null);
                let keywords = bounds.keywords(bound).unwrap();
                for (keyword, value) in keywords {
                    let found = property.get(keyword).or_else(|| entries.get(keyword));
                    // A number may have become one with a decimal point.
                    let found =
                        found.map(|found| found.as_f64().map_or(found.clone(), Value::from));
                    let value = value.as_f64().map_or(value.clone(), Value::from);
                    assert_eq!(found, Some(value), "{schema}.{field} {keyword}");
                }
            }
        }
    }
}
