//! The container's entry point: one router behind a listener.

use std::process::ExitCode;

use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use twofold::app::App;
use twofold::config::Config;
use twofold::{check, shutdown, telemetry};

fn main() -> ExitCode {
    let config = match Config::from_process() {
        Ok(config) => config,
        Err(refusal) => return refusal.exit(),
    };
    if config.check {
        return check::ask(config.server.listen).exit();
    }
    let telemetry = telemetry::init(&config.telemetry, config.home);
    let ended = match Runtime::new() {
        Ok(runtime) => {
            let ended = runtime.block_on(run(&config));
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

async fn run(config: &Config) -> Result<(), String> {
    let app = App::start(config).map_err(|error| error.to_string())?;
    let address = config.server.listen;
    let refused = |error| format!("TWOFOLD_LISTEN: cannot listen on {address}: {error}");
    let listener = TcpListener::bind(address).await.map_err(refused)?;
    let address = listener.local_addr().map_err(refused)?;
    let deaf = |error| format!("signals cannot be waited for: {error}");
    let (first, second) = (shutdown::signal().map_err(deaf)?, shutdown::second_signal().map_err(deaf)?);
    tracing::info!(%address, home = config.home.name(), "listening");
    tokio::select! {
        () = app.serve(listener, first) => Ok(()),
        signal = second => Err(format!("{signal} came before the drain had ended: ended at once")),
    }
}
