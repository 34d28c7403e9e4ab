//! `keepalive serve`: runs passes again and again, and shows the state of the jobs over HTTP.

mod connections;
mod hosts;
mod http;
mod log;
mod service_status;

use std::io::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::job::{Job, When, pace};
use super::keeper::Keeper;
use super::run::{Options, Output, run};
use super::status::statuses;
use crate::model::{Exit, Failure, describe};
use hosts::Hosts;
use http::{Limits, Service};
use service_status::{OldSettings, ServiceStatus};

pub use log::Log;

/// The shortest and the longest time between two passes.
const SHORTEST: Duration = Duration::from_secs(5);
const LONGEST: Duration = Duration::from_secs(60);

#[derive(Debug, Clone)]
pub struct Serve {
    /// The addresses to listen on. Those that are not available are skipped, except if all are.
    pub listen: Vec<SocketAddr>,
    /// The name of this machine in requests, besides its addresses and `localhost`.
    pub name: Option<String>,
}

/// Serves until a signal. The exit code of a failure is 75 if another process serves from this state
/// folder.
pub fn serve(
    keeper: &Keeper<'_>,
    options: &Serve,
    mut log: Log,
    warn: &dyn Fn(&Failure),
) -> Result<Exit, Failure> {
    let serving = keeper.store.serving()?;
    let listeners = listen(&options.listen)?;
    let first = listeners.first().and_then(|listener| listener.local_addr().ok());
    let address = first.map_or_else(|| "?".to_owned(), |found| found.to_string());
    let interval = interval(keeper.jobs);
    let status = ServiceStatus::new(OldSettings::of(keeper.jobs), interval, Instant::now());
    let status = Arc::new(Mutex::new(status));
    update(&status, keeper);

    let (shared, clock) = (Arc::clone(&status), keeper.clock);
    let service = Service {
        limits: Limits::of_process(),
        hosts: Hosts { name: options.name.clone() },
        page: move |path: &str| lock(&shared).page(path, Instant::now(), clock()),
    };
    http::spawn(listeners, service).map_err(|error| {
        Failure::new(format!("cannot serve: {}", describe(&error)))
            .hint("check the limits on threads and open files")
    })?;
    let _ = writeln!(log, "serving on http://{address}");

    let options = Options { output: Output::News, ..Options::default() };
    let mut last_problem = None;
    while !keeper.interrupt.asked() {
        let failure = match run(keeper, &options, &mut log) {
            // The pass of a timer is as good as ours.
            Err(failure) if failure.exit != Exit::Locked => Some(failure),
            _ => None,
        };
        if let Some(failure) = &failure
            && last_problem.as_ref() != Some(&failure.message)
        {
            warn(failure);
        }
        last_problem = failure.map(|failure| failure.message);
        lock(&status).pass_finished(Instant::now(), last_problem.clone());
        update(&status, keeper);

        if !keeper.store.is_held(&serving) {
            let message = "the state folder was removed or replaced while serving";
            return Err(Failure::new(message).hint("start keepalive serve again"));
        }
        keeper.interrupt.sleep(interval);
    }

    Ok(Exit::Done)
}

/// Shows the state of the jobs. If it cannot be read, the pass reports that.
fn update(status: &Mutex<ServiceStatus>, keeper: &Keeper<'_>) {
    if let Ok((known, _)) = keeper.store.look() {
        let rows = statuses(keeper, &known);
        lock(status).update(&rows);
    }
}

fn lock(status: &Mutex<ServiceStatus>) -> MutexGuard<'_, ServiceStatus> {
    status.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns the time between two passes: as with a timer, and a minute at most. A job may be due every half
/// a minute here, where a pass costs next to nothing.
fn interval(jobs: &[Job]) -> Duration {
    let shortest = jobs.iter().filter_map(|job| match job.when {
        When::Every(span) => Some(span / 6),
        When::Daily(_) | When::BeforeExpiry(_) => None,
    });
    let shortest = shortest.min().unwrap_or(LONGEST);
    pace(jobs).min(shortest).clamp(SHORTEST, LONGEST)
}

fn listen(addresses: &[SocketAddr]) -> Result<Vec<TcpListener>, Failure> {
    let mut listeners = Vec::new();
    let mut why = "an empty list of addresses".to_owned();
    for address in addresses {
        match TcpListener::bind(address) {
            Ok(listener) => listeners.push(listener),
            // If the listener on IPv6 takes IPv4 as well, a second one cannot be opened.
            Err(_) if !listeners.is_empty() => {}
            Err(error) => why = format!("{address}: {}", describe(&error)),
        }
    }
    if !listeners.is_empty() {
        return Ok(listeners);
    }

    Err(Failure::new(format!("cannot listen on {why}"))
        .hint("choose another address with --listen ADDRESS:PORT"))
}
