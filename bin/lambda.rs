//! Lambda's entry point: the router of the container behind the runtime API.

use std::process::ExitCode;

use twofold::app::App;
use twofold::config::{Config, Lambda};
use twofold::{lambda, telemetry};

/// Lambda sends one event at a time: one thread asks, answers and asks again.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let platform = Lambda::from_process();
    let config = match Config::from_process() {
        Ok(config) => config,
        Err(refusal) => {
            if let (Ok(platform), true) = (platform, refusal.exit_code() != 0) {
                lambda::report_init_error(
                    &platform.runtime_api,
                    "Runtime.RefusedSetting",
                    &refusal.to_string(),
                )
                .await;
            }
            return refusal.exit();
        }
    };
    let platform = match platform {
        Ok(platform) => platform,
        Err(refusal) => return refusal.exit(),
    };
    let telemetry = telemetry::init(&config.telemetry, config.home);
    // The first question for an event ends the start: the models are loaded before.
    let ended = match App::start(&config) {
        Ok(app) => lambda::serve(app.router()).await.map_err(|error| error.to_string()),
        Err(broken) => {
            let reason = broken.to_string();
            lambda::report_init_error(&platform.runtime_api, "Runtime.BrokenStart", &reason).await;
            Err(reason)
        }
    };
    if let Err(error) = &ended {
        tracing::error!(error, "stopped");
    }
    telemetry.flush();
    if ended.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
