/** Programs for tests to run in a real guest: `python3 -c PROGRAM ARGUMENT...`. */

/**
 * A server on port `argv[1]` that says "that is all", ends its output, and then writes how many bytes it
 * still gets to the file `argv[2]`.
 */
export const TALKER = `
import socket, sys
listener = socket.create_server(("0.0.0.0", int(sys.argv[1])))
while True:
    connection, _ = listener.accept()
    connection.sendall(b"that is all")
    connection.shutdown(socket.SHUT_WR)
    count = 0
    while data := connection.recv(65536):
        count += len(data)
    connection.close()
    with open(sys.argv[2], "a") as heard:
        heard.write(f"{count}\\n")
`;

/**
 * A client of port `argv[1]` that reads to the end before it sends `argv[2]`, or with `first` as `argv[3]`
 * the other way round. Prints what it has read.
 */
export const CLIENT = `
import socket, sys
connection = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
def send():
    connection.sendall(sys.argv[2].encode())
    connection.shutdown(socket.SHUT_WR)
def read():
    while data := connection.recv(65536):
        print(data.decode(), end="")
steps = [send, read] if sys.argv[3:] == ["first"] else [read, send]
for step in steps:
    step()
connection.close()
`;
