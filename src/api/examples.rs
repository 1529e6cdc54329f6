//! The examples of the OpenAPI document: `openapi/examples.json`, which
//! `tests/clients/examples.py` records from the demo.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use utoipa::openapi::content::Content;
use utoipa::openapi::example::Example;
use utoipa::openapi::path::Operation;
use utoipa::openapi::{OpenApi, RefOr};

use super::operations::for_each_operation;

const EXAMPLES: &str = include_str!("../../openapi/examples.json");

/// The examples of an operation.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OperationExamples {
    /// The values of parameters by name.
    parameters: BTreeMap<String, Value>,
    /// Bodies of the request by media type.
    request: BTreeMap<String, Value>,
    /// Bodies of responses by status and media type.
    responses: BTreeMap<String, BTreeMap<String, Value>>,
}

/// Adds the examples to a document. A test checks that every operation has them.
pub fn add_examples(document: &mut OpenApi) {
    let Ok(examples) = serde_json::from_str::<BTreeMap<String, OperationExamples>>(EXAMPLES) else {
        return;
    };
    for_each_operation(document, |id, operation| {
        if let Some(examples) = examples.get(id) {
            add_to_operation(operation, examples);
        }
    });
}

fn add_to_operation(operation: &mut Operation, examples: &OperationExamples) {
    for parameter in operation.parameters.iter_mut().flatten() {
        if let RefOr::T(parameter) = parameter
            && let Some(value) = examples.parameters.get(&parameter.name)
            && let Ok(Value::Object(mut fields)) = serde_json::to_value(&*parameter)
        {
            fields.insert("example".to_owned(), value.clone());
            if let Ok(with_example) = serde_json::from_value(Value::Object(fields)) {
                *parameter = with_example;
            }
        }
    }
    if let Some(RefOr::T(body)) = &mut operation.request_body {
        for (media, content) in &mut body.content {
            add_to_content(content, examples.request.get(media));
        }
    }
    for (status, response) in &mut operation.responses.responses {
        let RefOr::T(response) = response else { continue };
        for (media, content) in &mut response.content {
            let bodies = examples.responses.get(status);
            add_to_content(content, bodies.and_then(|bodies| bodies.get(media)));
        }
    }
}

/// Adds an example to a body. That of a file says where there is such a file: generators of clients
/// would read a file that `externalValue` names.
fn add_to_content(content: &mut RefOr<Content>, example: Option<&Value>) {
    let (RefOr::T(content), Some(example)) = (content, example) else { return };
    match example.get("$file").and_then(Value::as_str) {
        Some(address) => {
            let file = Example::builder().summary(format!("The file at {address}")).build();
            content.examples.insert("file".to_owned(), RefOr::T(file));
        }
        None => content.example = Some(example.clone()),
    }
}
