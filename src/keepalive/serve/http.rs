//! A small HTTP server: a path in, a page out. It answers GET and HEAD, and each answer ends its
//! connection.

use std::convert::Infallible;
use std::io;
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
use tokio::runtime::Builder;
use tokio::sync::Semaphore;

/// How many connections are served at once; more wait. A client that sends nothing takes up one of them,
/// though not for long.
const AT_ONCE: usize = 512;

/// How long a request may take, and how long a connection may take as a whole.
const REQUEST_TIME: Duration = Duration::from_secs(2);
const CONNECTION_TIME: Duration = Duration::from_secs(10);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Page {
    /// If not, the status is 503.
    pub(super) is_healthy: bool,
    pub(super) content_type: &'static str,
    pub(super) text: String,
}

/// Serves in a thread of its own, for as long as the process lives. `page` returns the page of a path, if
/// there is one.
pub(super) fn spawn(
    listeners: Vec<TcpListener>,
    page: impl Fn(&str) -> Option<Page> + Send + Sync + 'static,
) -> io::Result<()> {
    for listener in &listeners {
        listener.set_nonblocking(true)?;
    }

    let runtime = Builder::new_current_thread().enable_io().enable_time().build()?;
    let page = Arc::new(page);
    thread::Builder::new().name("http".to_owned()).spawn(move || {
        runtime.block_on(async move {
            let slots = Arc::new(Semaphore::new(AT_ONCE));
            let mut tasks = Vec::new();
            for listener in listeners {
                let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { continue };
                let (slots, page) = (Arc::clone(&slots), Arc::clone(&page));
                tasks.push(tokio::spawn(accept(listener, slots, page)));
            }
            for task in tasks {
                let _ = task.await;
            }
        });
    })?;
    Ok(())
}

async fn accept<P>(listener: tokio::net::TcpListener, slots: Arc<Semaphore>, page: Arc<P>)
where
    P: Fn(&str) -> Option<Page> + Send + Sync + 'static,
{
    loop {
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else {
            // For example because too many files are open, which will pass.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let page = Arc::clone(&page);
        tokio::spawn(async move {
            let service = service_fn(move |request: Request<Incoming>| {
                let response = respond(&request, &*page);
                async move { Ok::<_, Infallible>(response) }
            });
            let served = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(REQUEST_TIME)
                .keep_alive(false)
                .serve_connection(TokioIo::new(stream), service);
            // A client that disconnects or sends nonsense is not worth a message.
            let _ = tokio::time::timeout(CONNECTION_TIME, served).await;
            drop(slot);
        });
    }
}

fn respond(
    request: &Request<Incoming>,
    page: &dyn Fn(&str) -> Option<Page>,
) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        headers.insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
        return response;
    }

    let Some(page) = page(request.uri().path()) else {
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
