//! The answer as the runtime API takes it, and Lambda's limit.

use serde::Serialize;
use serde_json::json;
use serde_json::value::{RawValue, to_raw_value};

/// Bytes of the largest answer that Lambda takes: 6 MiB + 100. All of the JSON counts: headers, escapes, and the third
/// that base64 adds.
///
/// The number is in Lambda's own message («maximum allowed payload size (6291556 bytes)») and in its emulator.
pub(super) const LIMIT: usize = 6 * 1024 * 1024 + 100;

/// Writes an answer as JSON; one that Lambda would refuse becomes a 413 that says so, where the client would else get
/// the message of a function that failed.
pub(super) fn written(answer: &impl Serialize, request_id: &str) -> Box<RawValue> {
    match to_raw_value(answer) {
        Ok(payload) if payload.get().len() <= LIMIT => payload,
        Ok(payload) => {
            let size = payload.get().len();
            tracing::warn!(request_id, size, limit = LIMIT, "an answer is too large for Lambda: 413 instead");
            let message = format!(
                "the answer takes {size} bytes as a payload of Lambda, which allows {LIMIT}: ask for fewer rows or fewer \
                 outputs per request, or for binary outputs instead of JSON"
            );
            error(413, &message, request_id)
        }
        Err(reason) => {
            tracing::error!(request_id, %reason, "an answer cannot be written as JSON");
            error(500, "internal error", request_id)
        }
    }
}

/// An error as the router would write it, for what does not reach the router.
pub(super) fn error(status: u16, message: &str, request_id: &str) -> Box<RawValue> {
    let body = json!({ "error": message }).to_string();
    let answer = json!({
        "statusCode": status,
        "headers": {
            "content-type": "application/json",
            "content-length": body.len().to_string(),
            "x-request-id": request_id,
        },
        "multiValueHeaders": {},
        "body": body,
        "isBase64Encoded": false,
        "cookies": [],
    });
    to_raw_value(&answer).unwrap_or_else(|_| RawValue::NULL.to_owned())
}
