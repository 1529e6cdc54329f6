//! The operations of an OpenAPI document.

use utoipa::openapi::OpenApi;
use utoipa::openapi::path::Operation;

/// Calls a function with the identifier of each operation and the operation.
pub fn for_each_operation(document: &mut OpenApi, mut edit: impl FnMut(&str, &mut Operation)) {
    for item in document.paths.paths.values_mut() {
        let operations = [&mut item.get, &mut item.put, &mut item.post, &mut item.delete];
        for operation in operations.into_iter().flatten() {
            let id = operation.operation_id.clone().unwrap_or_default();
            edit(&id, operation);
        }
    }
}
