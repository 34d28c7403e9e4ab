//! A small HTTP server: a path in, a page out. It answers GET and HEAD, and each answer ends its
//! connection.

use std::convert::Infallible;
use std::io::{self, ErrorKind};
use std::net::TcpListener;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::runtime::Builder;
use tokio::time::{sleep, timeout};

use super::connections::{Connections, allowed};
use super::hosts::Hosts;

const MISDIRECTED: &str =
    "keepalive serve answers to an IP address, localhost and the name in --listen\n";

/// The longest head of a request.
const LONGEST_HEAD: usize = 16 << 10;

/// How many connections may wait to be accepted. The system has a limit of its own.
const BACKLOG: i32 = 4096;

#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// How many connections are open at once.
    pub(super) at_once: usize,
    /// How long a request may take, and how long a connection may take as a whole.
    pub(super) request: Duration,
    pub(super) connection: Duration,
}

impl Limits {
    /// Returns limits that leave enough of the files that this process may open.
    pub(super) fn of_process() -> Self {
        let (request, connection) = (Duration::from_secs(2), Duration::from_secs(10));
        Self { at_once: allowed(), request, connection }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Page {
    /// If not, the status is 503.
    pub(super) is_healthy: bool,
    pub(super) content_type: &'static str,
    pub(super) text: String,
}

/// What is served, to whom, and within what limits.
pub(super) struct Service<P> {
    pub(super) limits: Limits,
    pub(super) hosts: Hosts,
    /// Returns the page of a path, if there is one.
    pub(super) page: P,
}

/// Serves in a thread of its own, for as long as the process lives.
pub(super) fn spawn<P>(listeners: Vec<TcpListener>, service: Service<P>) -> io::Result<()>
where
    P: Fn(&str) -> Option<Page> + Send + Sync + 'static,
{
    for listener in &listeners {
        listener.set_nonblocking(true)?;
        // The standard library lets 128 wait, and a client beyond that tries again after a second.
        let _ = rustix::net::listen(listener, BACKLOG);
    }

    let runtime = Builder::new_current_thread().enable_io().enable_time().build()?;
    let connections = Arc::new(Connections::new(service.limits.at_once));
    let service = Arc::new(service);
    thread::Builder::new().name("http".to_owned()).spawn(move || {
        runtime.block_on(async move {
            let mut tasks = Vec::new();
            for listener in listeners {
                let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { continue };
                let (connections, service) = (Arc::clone(&connections), Arc::clone(&service));
                tasks.push(tokio::spawn(accept(listener, connections, service)));
            }
            for task in tasks {
                let _ = task.await;
            }
        });
    })?;
    Ok(())
}

async fn accept<P>(
    listener: tokio::net::TcpListener,
    connections: Arc<Connections>,
    service: Arc<Service<P>>,
) where
    P: Fn(&str) -> Option<Page> + Send + Sync + 'static,
{
    loop {
        match listener.accept().await {
            Ok((stream, _)) => connections.add(serve(stream, Arc::clone(&service))).await,
            // Its client has given up.
            Err(error) if error.kind() == ErrorKind::ConnectionAborted => {}
            Err(_) => {
                // For example because too many files are open.
                connections.close_oldest().await;
                sleep(Duration::from_millis(10)).await;
            }
        }
    }
}

async fn serve<P>(stream: TcpStream, service: Arc<Service<P>>)
where
    P: Fn(&str) -> Option<Page>,
{
    let limits = service.limits;
    // Most of a crowd is silent, and costs no more than this.
    let Ok(Ok(())) = timeout(limits.request, stream.readable()).await else { return };
    let answer = service_fn(move |request: Request<Incoming>| {
        let response = service.respond(&request);
        async move { Ok::<_, Infallible>(response) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.request)
        .max_buf_size(LONGEST_HEAD)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), answer);
    // A client that disconnects or sends nonsense is not worth a message.
    let _ = timeout(limits.connection, served).await;
}

impl<P: Fn(&str) -> Option<Page>> Service<P> {
    fn respond<T>(&self, request: &Request<T>) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::default());
        let headers = response.headers_mut();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if !self.hosts.include(request) {
            *response.status_mut() = StatusCode::MISDIRECTED_REQUEST;
            *response.body_mut() = Full::from(MISDIRECTED);
            return response;
        }
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            headers.insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
            return response;
        }

        let Some(page) = (self.page)(request.uri().path()) else {
            *response.status_mut() = StatusCode::NOT_FOUND;
            return response;
        };
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(page.content_type));
        if !page.is_healthy {
            *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        }

        *response.body_mut() = Full::from(page.text);
        response
    }
}

#[cfg(test)]
mod tests;
