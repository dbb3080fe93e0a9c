//! The confinement, tried from inside: this test program starts itself again as the confined process.

use std::{
    fs::File,
    net::{TcpListener, TcpStream},
    os::{
        fd::AsRawFd,
        unix::{fs::FileExt, net::UnixDatagram, process::ExitStatusExt},
    },
    process::{Command, Output},
    thread,
};

use super::*;

/// Which part to play when started again.
const ROLE: &str = "VIDSTREAM_TEST_ROLE";

fn again(role: &str) -> Output {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["sandbox::tests::role", "--exact", "--nocapture", "--test-threads=1"]).env(ROLE, role);
    command.output().unwrap()
}

const FILE_BYTES: u64 = 1 << 20;

fn setup() -> Setup {
    Setup {
        limits: Limits { address_space_bytes: 1 << 30, cpu_s: 20, file_bytes: FILE_BYTES, open_files: 20 },
        worker_pid: parent_id(),
        temp: std::env::temp_dir(),
        preload: Vec::new(),
    }
}

/// Not a test by itself: what the others start again. What fails in here fails the caller.
#[test]
fn role() {
    match std::env::var(ROLE).as_deref() {
        Ok("network") => network_is_refused(),
        Ok("limits") => limits_hold(),
        Ok("filter") => {
            let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
            filter::install().unwrap();
            assert_eq!(TcpStream::connect(address).unwrap_err().kind(), io::ErrorKind::PermissionDenied);
            thread::spawn(|| {}).join().unwrap();
        }
        Ok("orphan") => {
            let setup = Setup { worker_pid: 1 << 30, ..setup() };
            assert!(matches!(confine(&setup), Err(Error::Orphan)));
        }
        Ok("processor") => {
            let setup = setup();
            confine(&Setup { limits: Limits { cpu_s: 1, ..setup.limits }, ..setup }).unwrap();
            loop {
                std::hint::spin_loop();
            }
        }
        Ok("long file") => {
            confine(&setup()).unwrap();
            let file = tempfile::tempfile().unwrap();
            file.write_all_at(b"x", FILE_BYTES - 1).unwrap();
            eprintln!("the last byte fits");
            drop(file.write_all_at(b"x", FILE_BYTES));
        }
        Ok("memory") => {
            confine(&setup()).unwrap();
            let mut all = Vec::new();
            for _ in 0..64 {
                all.push(vec![1_u8; 64 << 20]);
            }
            println!("{}", all.len());
        }
        _ => {}
    }
}

fn network_is_refused() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let isolation = confine(&setup()).unwrap();
    assert!(TcpStream::connect(address).is_err(), "{isolation:?}");
    assert!(TcpListener::bind("127.0.0.1:0").is_err());
    assert!(UnixDatagram::unbound().is_err());
    // Threads are what codecs need; they are confined alike.
    assert!(thread::spawn(move || TcpStream::connect(address).is_err()).join().unwrap());
    assert!(Command::new("/bin/true").status().is_err());
    assert!(unshare(CloneFlags::CLONE_NEWNET).is_err());
    eprintln!("{isolation:?}");
}

fn limits_hold() {
    confine(&setup()).unwrap();
    let files: Vec<_> = (0..30).map_while(|_| File::open("/dev/null").ok()).collect();
    // Numbers of descriptors count from 0.
    assert_eq!(files.iter().map(AsRawFd::as_raw_fd).max(), Some(19));
    drop(files);
    let status = std::fs::read_to_string("/proc/self/limits").unwrap();
    let limits = [
        ("Max address space", "1073741824", "1073741824"),
        ("Max cpu time", "20", "21"),
        ("Max file size", "1048576", "1048576"),
        ("Max open files", "20", "20"),
        ("Max core file size", "0", "0"),
    ];
    for (name, soft, hard) in limits {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        assert_eq!(line.split_whitespace().take(2).collect::<Vec<_>>(), [soft, hard], "{name}");
    }
    step_back(10).unwrap();
    assert_eq!(rustix::process::getpriority_process(None).unwrap(), 10);
}

#[test]
fn the_network_other_programs_and_processes_are_out_of_reach() {
    let output = again("network");
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn the_filter_alone_refuses_sockets_where_namespaces_are_not_permitted() {
    let output = again("filter");
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn limits_on_files_cores_and_priority_hold() {
    let output = again("limits");
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn a_child_whose_worker_is_gone_does_not_start() {
    let output = again("orphan");
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn memory_beyond_the_limit_ends_the_process_and_not_the_machine() {
    let output = again("memory");
    assert!(!output.status.success(), "{output:?}");
}

#[test]
fn processor_time_beyond_the_limit_ends_the_process_with_the_signal_that_says_so() {
    let output = again("processor");
    assert_eq!(output.status.signal(), Some(nix::libc::SIGXCPU), "{output:?}");
}

#[test]
fn a_file_takes_its_last_byte_and_not_one_more() {
    let output = again("long file");
    assert_eq!(output.status.signal(), Some(nix::libc::SIGXFSZ), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("the last byte fits"), "{output:?}");
}
