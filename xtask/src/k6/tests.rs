//! Real processes and a real server on the loopback interface: finding and installing k6.
