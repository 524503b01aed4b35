//! The container's entry point: one router behind a listener.

use std::process::ExitCode;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use twofold::app::App;
use twofold::config::Config;
use twofold::{check, shutdown, telemetry};

fn main() -> ExitCode {
    let config = match Config::from_process() {
        Ok(config) => Arc::new(config),
        Err(refusal) => return refusal.exit(),
    };
    if config.check {
        return check::ask(config.server.listen).exit();
    }
    let telemetry = telemetry::init(&config.telemetry, config.home);
    let ended = match Runtime::new() {
        Ok(runtime) => {
            let ended = runtime.block_on(run(Arc::clone(&config)));
            // What the deadline or a second signal cut off is not waited for.
            runtime.shutdown_background();
            ended
        }
        Err(error) => Err(format!("no threads: {error}")),
    };
    if let Err(error) = &ended {
        tracing::error!(error, "stopped");
    }
    telemetry.flush();
    if ended.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn run(config: Arc<Config>) -> Result<(), String> {
    // First of all: as a container's first process, it is not ended by a signal that it does not wait for.
    let deaf = |error| format!("signals cannot be waited for: {error}");
    let (first, second) = (shutdown::signal().map_err(deaf)?, shutdown::second_signal().map_err(deaf)?);
    let (address, home) = (config.server.listen, config.home.name());
    let refused = |error| format!("TWOFOLD_LISTEN: cannot listen on {address}: {error}");
    let listener = TcpListener::bind(address).await.map_err(refused)?;
    let address = listener.local_addr().map_err(refused)?;
    tracing::info!(%address, home, "listening");
    tokio::select! {
        ended = App::run(config, listener, first) => ended.map_err(|error| error.to_string()),
        signal = second => Err(format!("{signal} came before the drain had ended: ended at once")),
    }
}
