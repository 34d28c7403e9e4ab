//! On processes that the tests start themselves.

use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};

use super::*;

/// A child that is ended with the test.
struct Running(Child);

impl Running {
    fn start(command: &mut Command) -> Self {
        Self(command.spawn().unwrap())
    }

    /// A shell whose child is at work once it returns.
    fn with_child() -> Self {
        let script = "sleep 60 & echo ready; wait";
        let mut running =
            Self::start(Command::new("sh").args(["-c", script]).stdout(Stdio::piped()));
        running.0.stdout.as_mut().unwrap().read_exact(&mut [0; 6]).unwrap();
        running
    }

    fn pid(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let mine = Tree::read().unwrap().children(self.pid()).to_vec();
        for pid in mine {
            let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

fn of(pid: u32) -> Holdings {
    holdings(&Tree::read().unwrap(), &[pid]).by_process[&pid]
}

#[test]
fn the_memory_of_a_process_and_its_child_is_counted() {
    let running = Running::with_child();
    let held = of(running.pid());
    assert_eq!(held.processes, 2);
    assert!(held.memory.bytes > 0 && held.memory.is_whole, "{held:?}");
    assert_eq!(held.connections, Connections { count: 0, is_whole: true });
}

#[test]
fn what_belongs_to_two_that_are_asked_about_counts_once_in_all() {
    let running = Running::with_child();
    let tree = Tree::read().unwrap();
    let child = tree.children(running.pid())[0];
    let held = holdings(&tree, &[running.pid(), child, running.pid()]);
    assert_eq!(held.by_process.len(), 2);
    assert_eq!(held.by_process[&child].processes, 1);
    assert_eq!(held.total.processes, 2);
}

#[test]
fn a_connection_that_two_processes_share_counts_once() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let connection = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let accepted = listener.accept().unwrap();

    let script = "sleep 60 & echo ready; wait";
    let mut running = Running::start(
        Command::new("sh")
            .args(["-c", script])
            .stderr(OwnedFd::from(connection.try_clone().unwrap()))
            .stdout(Stdio::piped()),
    );
    running.0.stdout.as_mut().unwrap().read_exact(&mut [0; 6]).unwrap();
    // The other end is ours. Both the shell and its child have this one.
    let held = of(running.pid());
    assert_eq!(held.processes, 2);
    assert_eq!(held.connections, Connections { count: 1, is_whole: true });

    drop(accepted);
    drop(connection);
}

#[test]
fn a_listener_is_no_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let running = Running::start(Command::new("sleep").arg("60").stdin(OwnedFd::from(listener)));
    assert_eq!(of(running.pid()).connections, Connections { count: 0, is_whole: true });
}

#[test]
fn a_process_that_has_ended_is_left_out() {
    let mut child = Command::new("sleep").arg("60").spawn().unwrap();
    let tree = Tree::read().unwrap();
    child.kill().unwrap();
    let pid = child.id();
    // Whether or not it was waited for.
    while !super::super::stat::Stat::read(pid).unwrap().unwrap().is_zombie() {}
    assert!(holdings(&tree, &[pid]).by_process.is_empty());
    child.wait().unwrap();
    let held = holdings(&tree, &[pid]);
    assert!(held.by_process.is_empty());
    assert_eq!(held.total.processes, 0);
    assert!(held.total.memory.is_whole && held.total.connections.is_whole);
}

#[test]
fn connections_that_cannot_be_read_are_marked() {
    let memory = Memory { bytes: 5, is_pss: true, is_whole: true };
    let unread = Part { memory, connections: None };
    let read = Part { memory, connections: Some(vec![1, 2]) };
    let parts = HashMap::from([(1, read), (2, unread)]);
    let held = sum(&[1, 2, 3], &parts, false);
    assert_eq!(held.connections, Connections { count: 2, is_whole: false });
    assert_eq!((held.processes, held.memory.bytes), (2, 10));
    assert!(sum(&[1], &parts, false).connections.is_whole);
    assert!(!sum(&[1], &parts, true).memory.is_whole);
}
