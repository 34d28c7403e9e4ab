//! What clients are answered that are alone, slow, silent or many.

use super::*;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream as Client};

const LONG: Duration = Duration::from_secs(600);

/// Serves one page, long enough for a client that does not read to matter.
fn server(at_once: usize, request: Duration, connection: Duration) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let page = |path: &str| {
        (path == "/page").then(|| Page {
            is_healthy: true,
            content_type: "text/plain",
            text: "x".repeat(20 << 20),
        })
    };
    let limits = Limits { at_once, request, connection };
    let service = Service { limits, hosts: Hosts { name: Some("box.lan".to_owned()) }, page };
    spawn(vec![listener], service).unwrap();
    address
}

fn connect(address: SocketAddr) -> Client {
    let stream = Client::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream
}

/// The head of an answer.
fn ask(address: SocketAddr, request: &str) -> String {
    let mut stream = connect(address);
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).split("\r\n\r\n").next().unwrap().to_owned()
}

fn get(address: SocketAddr) -> String {
    ask(address, "GET /none HTTP/1.1\r\nHost: localhost\r\n\r\n")
}

/// Waits until the service has closed a connection.
fn is_closed(mut stream: &Client) {
    let end = stream.read(&mut [0; 16]);
    assert!(!end.is_err_and(|error| error.kind() == ErrorKind::WouldBlock), "still open");
}

#[test]
fn a_new_client_is_answered_however_many_others_are_silent_slow_or_do_not_read() {
    for at_once in [1, 4] {
        let address = server(at_once, LONG, LONG);
        let mut others: Vec<Client> = Vec::new();
        for begun in ["", "GET /none HT", "GET /page HTTP/1.1\r\nHost: localhost\r\n\r\n"] {
            for _ in 0..3 * at_once {
                let mut stream = connect(address);
                let _ = stream.write_all(begun.as_bytes());
                others.push(stream);
            }
            assert!(get(address).starts_with("HTTP/1.1 404 "), "{at_once} beside {begun:?}");
        }
        // The oldest ones have made room.
        is_closed(&others[0]);
    }
}

#[test]
fn a_client_that_takes_its_time_is_left_alone_while_there_is_room() {
    let address = server(4, LONG, LONG);
    let mut slow = connect(address);
    for part in ["GET /none HTTP", "/1.1\r\nHost: loc", "alhost\r\n\r\n"] {
        assert!(get(address).starts_with("HTTP/1.1 404 "));
        slow.write_all(part.as_bytes()).unwrap();
    }
    let mut answer = String::new();
    slow.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
}

#[test]
fn a_request_and_an_answer_have_their_time() {
    let short = Duration::from_millis(300);
    let address = server(4, short, LONG);
    let mut slow = connect(address);
    slow.set_nonblocking(false).unwrap();
    // A byte at a time is no way to stay.
    let request = "GET /none HTTP/1.1\r\nX: ".chars().chain(std::iter::repeat_n('x', 3000));
    let sent = request.take_while(|letter| {
        thread::sleep(Duration::from_millis(20));
        slow.write_all(&[u8::try_from(*letter).unwrap()]).is_ok()
    });
    assert!(sent.count() < 3000);
    is_closed(&slow);

    let address = server(4, LONG, short);
    let mut deaf = connect(address);
    deaf.write_all(b"GET /page HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    thread::sleep(4 * short);
    let mut answer = Vec::new();
    let _ = deaf.read_to_end(&mut answer);
    assert!(answer.len() < 20 << 20, "{}", answer.len());
}

#[test]
fn a_head_without_end_is_refused() {
    let address = server(4, LONG, LONG);
    let mut stream = connect(address);
    let _ = stream.write_all(b"GET /none HTTP/1.1\r\nHost: localhost\r\nX: ");
    let sent = (0..1000).take_while(|_| stream.write_all(&[b'x'; 1 << 10]).is_ok());
    sent.count();
    is_closed(&stream);
}

#[test]
fn only_requests_for_this_service_are_answered() {
    let address = server(4, LONG, LONG);
    for (request, status) in [
        ("GET /page HTTP/1.1\r\nHost: 127.0.0.1:3000", 200),
        ("GET /page HTTP/1.1\r\nhOST:[::1]:3000", 200),
        ("GET /page HTTP/1.1\r\nHost: LOCALHOST", 200),
        ("GET /page HTTP/1.0\r\nHost: box.lan", 200),
        ("GET http://localhost/page HTTP/1.1\r\nHost: localhost", 200),
        ("HEAD /none HTTP/1.1\r\nHost: localhost", 404),
        ("POST /page HTTP/1.1\r\nHost: localhost", 405),
        ("GET /page HTTP/1.1\r\nHost: evil.example:3000", 421),
        ("GET /page HTTP/1.0\r\nHost: evil.example", 421),
        ("GET /page HTTP/1.1\r\nHost:", 421),
        ("GET /page HTTP/1.1\r\nX: y", 421),
        ("GET /page HTTP/1.0\r\nX: y", 421),
        ("GET /page HTTP/1.1\r\nHost: localhost\r\nHost: evil.example", 421),
        ("GET http://evil.example/page HTTP/1.1\r\nHost: localhost", 421),
        ("GET http://localhost/page HTTP/1.1\r\nHost: evil.example", 421),
        ("POST /page HTTP/1.1\r\nHost: evil.example", 421),
    ] {
        let answer = ask(address, &format!("{request}\r\n\r\n"));
        assert_eq!(answer.split(' ').nth(1), Some(status.to_string().as_str()), "{request}");
    }
}
