//! What Lambda tells its functions.

use super::{Refusal, variables};

/// The variables without which the runtime cannot start; Lambda sets them all.
const REQUIRED: [&str; 4] = [
    "AWS_LAMBDA_RUNTIME_API",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
];

/// What Lambda tells its functions by variables of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lambda {
    /// `AWS_LAMBDA_RUNTIME_API`: host and port of the runtime API.
    pub runtime_api: String,
}

impl Lambda {
    /// Reads an environment; the process's own is not looked at.
    ///
    /// Fails outside Lambda: where one of the variables that the runtime needs is missing or malformed.
    pub fn parse<V>(vars: V) -> Result<Self, Refusal>
    where
        V: IntoIterator<Item = (String, String)>,
    {
        let vars: Vec<(String, String)> = vars.into_iter().collect();
        let value = |name: &str| {
            let found = vars.iter().find(|(variable, value)| variable == name && !value.is_empty());
            found.map(|(_, value)| value.as_str()).ok_or_else(|| {
                Refusal::new(name, "not set: this binary is started by AWS Lambda; elsewhere, start `server`")
            })
        };
        for name in REQUIRED {
            value(name)?;
        }
        let memory = value("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")?;
        if memory.parse::<i32>().is_err() {
            let reason = format!("'{memory}' is refused: expected a number of MB");
            return Err(Refusal::new("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", reason));
        }
        Ok(Self { runtime_api: value("AWS_LAMBDA_RUNTIME_API")?.to_owned() })
    }

    /// Reads the process's own environment.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    pub fn from_process() -> Result<Self, Refusal> {
        Self::parse(variables::as_text(std::env::vars_os())?)
    }
}
