//! How much waits to be read in a Unix socket of another process, by the kernel's `sock_diag(7)`.
//!
//! The kernel looks for the socket in our own network namespace only. One that it does not find there is an
//! error, and so is any socket that is not a Unix socket.

#[cfg(target_os = "linux")]
pub(super) use linux::unread_bytes;

#[cfg(not(target_os = "linux"))]
pub(super) fn unread_bytes(_: u64) -> std::io::Result<u64> {
    Err(std::io::ErrorKind::Unsupported.into())
}

/// The message to the kernel and its answer. Numbers are in the machine's byte order.
#[cfg(target_os = "linux")]
mod linux {
    use rustix::net::netlink::{SOCK_DIAG, SocketAddrNetlink};
    use rustix::net::{
        AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, sendto, socket_with,
    };
    use std::io;

    /// The type of the request and of its answer, from `linux/sock_diag.h`.
    const SOCK_DIAG_BY_FAMILY: u16 = 20;
    /// A request, from `linux/netlink.h`.
    const NLM_F_REQUEST: u16 = 1;
    /// Asks for the lengths of the queues, from `linux/unix_diag.h`.
    const UDIAG_SHOW_RQLEN: u32 = 0x10;
    /// The attribute with these lengths.
    const UNIX_DIAG_RQLEN: u16 = 4;
    /// The address family of Unix sockets.
    const AF_UNIX: u8 = 1;

    /// The lengths of `struct nlmsghdr`, `struct unix_diag_msg` and `struct nlattr`.
    const HEADER: usize = 16;
    const MESSAGE: usize = 16;
    const ATTRIBUTE: usize = 4;

    /// Returns how many bytes wait in the Unix socket with that inode.
    pub(in crate::process::facts) fn unread_bytes(inode: u64) -> io::Result<u64> {
        let inode = u32::try_from(inode).map_err(io::Error::other)?;
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket =
            socket_with(AddressFamily::NETLINK, SocketType::DGRAM, flags, Some(SOCK_DIAG))?;

        // The kernel answers while it takes the request, so the answer is there at once.
        sendto(&socket, &request(inode), SendFlags::empty(), &SocketAddrNetlink::new(0, 0))?;

        let mut answer = [0; 4096];
        let (length, _) =
            rustix::io::retry_on_intr(|| recv(&socket, &mut answer[..], RecvFlags::empty()))?;
        receive_queue(&answer[..length], inode)
            .ok_or_else(|| io::Error::other("the kernel does not show the queue of the socket"))
    }

    fn request(inode: u32) -> Vec<u8> {
        let length: u32 = 40;
        let mut request = Vec::with_capacity(40);
        // struct nlmsghdr: length, type, flags, sequence, port.
        request.extend(length.to_ne_bytes());
        request.extend(SOCK_DIAG_BY_FAMILY.to_ne_bytes());
        request.extend(NLM_F_REQUEST.to_ne_bytes());
        request.extend([0; 8]);

        // struct unix_diag_req: family, protocol, padding, states, inode, show, cookie.
        request.extend([AF_UNIX, 0, 0, 0]);
        request.extend(u32::MAX.to_ne_bytes());
        request.extend(inode.to_ne_bytes());
        request.extend(UDIAG_SHOW_RQLEN.to_ne_bytes());
        // Any cookie.
        request.extend([0xff; 8]);
        request
    }

    /// The length of the receive queue in the kernel's answer, if that is about the socket with that inode.
    fn receive_queue(answer: &[u8], inode: u32) -> Option<u64> {
        let length = usize::try_from(number(answer, 0)?).ok()?;
        let is_answer = half(answer, 4)? == SOCK_DIAG_BY_FAMILY
            && *answer.get(HEADER)? == AF_UNIX
            && number(answer, HEADER + 4)? == inode;
        if !is_answer {
            return None;
        }

        let mut attributes = answer.get(HEADER + MESSAGE..length)?;
        while let (Some(length), Some(kind)) = (half(attributes, 0), half(attributes, 2)) {
            let length = usize::from(length);
            if kind == UNIX_DIAG_RQLEN && length >= ATTRIBUTE + 4 {
                return number(attributes, ATTRIBUTE).map(u64::from);
            }
            // Each one begins at a multiple of four.
            attributes = attributes.get(length.max(ATTRIBUTE).next_multiple_of(4)..)?;
        }
        None
    }

    fn half(bytes: &[u8], at: usize) -> Option<u16> {
        Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
    }

    fn number(bytes: &[u8], at: usize) -> Option<u32> {
        Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
    }

    #[cfg(test)]
    mod tests {
        use super::*;
        use std::io::Write;
        use std::os::fd::AsRawFd;
        use std::os::unix::net::{UnixListener, UnixStream};

        fn inode(socket: &impl AsRawFd) -> u64 {
            let target =
                std::fs::read_link(format!("/proc/self/fd/{}", socket.as_raw_fd())).unwrap();
            target.to_str().unwrap()[8..].trim_end_matches(']').parse().unwrap()
        }

        #[test]
        fn the_queue_of_a_socket_is_counted() {
            let (reader, mut writer) = UnixStream::pair().unwrap();
            assert_eq!(unread_bytes(inode(&reader)).unwrap(), 0);
            writer.write_all(&vec![0; 70_000]).unwrap();
            assert_eq!(unread_bytes(inode(&reader)).unwrap(), 70_000);
            assert_eq!(unread_bytes(inode(&writer)).unwrap(), 0);
        }

        #[test]
        fn what_is_no_unix_socket_is_an_error() {
            let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
            assert!(unread_bytes(inode(&socket)).is_err());
            assert!(unread_bytes(u64::MAX).is_err());
            let folder = tempfile::tempdir().unwrap();
            let listener = UnixListener::bind(folder.path().join("socket")).unwrap();
            let gone = inode(&listener);
            drop(listener);
            assert!(unread_bytes(gone).is_err());
        }

        #[test]
        fn an_answer_that_is_cut_or_about_another_socket_is_none() {
            let mut answer = vec![];
            answer.extend(48_u32.to_ne_bytes());
            answer.extend(SOCK_DIAG_BY_FAMILY.to_ne_bytes());
            answer.extend([0; 10]);
            answer.extend([AF_UNIX, 1, 1, 0]);
            answer.extend(4242_u32.to_ne_bytes());
            answer.extend([0; 8]);
            // An attribute of another kind comes first.
            answer.extend([5_u16.to_ne_bytes(), 6_u16.to_ne_bytes()].concat());
            answer.extend([1, 0, 0, 0]);
            answer.extend([12_u16.to_ne_bytes(), UNIX_DIAG_RQLEN.to_ne_bytes()].concat());
            answer.extend(17_u32.to_ne_bytes());
            answer.extend(0_u32.to_ne_bytes());
            let length = u32::try_from(answer.len()).unwrap();
            answer[..4].copy_from_slice(&length.to_ne_bytes());

            assert_eq!(receive_queue(&answer, 4242), Some(17));
            assert_eq!(receive_queue(&answer, 4243), None);
            for end in 0..answer.len() {
                assert_eq!(receive_queue(&answer[..end], 4242), None, "{end}");
            }
            // An attribute of no length does not hang.
            answer[32..36].fill(0);
            receive_queue(&answer, 4242);
        }
    }
}
