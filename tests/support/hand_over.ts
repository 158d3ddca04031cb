/** A listening socket made by another program and handed over as descriptor 3, as systemd's socket activation does. */

/** Perl, since every Debian has it: makes the socket, then becomes the program. An empty path means TCP on a free port. */
const SCRIPT = `
use Socket; use POSIX ();
my $path = shift; $^F = 10;
if ($path ne "") { socket(S, PF_UNIX, SOCK_STREAM, 0) or die $!; bind(S, pack_sockaddr_un($path)) or die $!; }
else { socket(S, PF_INET, SOCK_STREAM, 0) or die $!; bind(S, pack_sockaddr_in(0, INADDR_LOOPBACK)) or die $!; }
listen(S, 16) or die $!; POSIX::dup2(fileno(S), 3) or die $!;
$ENV{LISTEN_FDS} = 1; $ENV{LISTEN_PID} = $$; # exec keeps the process
exec @ARGV or die $!;
`;

/**
 * The command that runs another one with a listening socket as descriptor 3.
 *
 * @param unixPath where the socket is to be; `""` for TCP on 127.0.0.1
 * @param command program and arguments
 */
export function handOver(unixPath: string, command: readonly string[]): [program: string, args: string[]] {
  return ["perl", ["-e", SCRIPT, unixPath, ...command]];
}
