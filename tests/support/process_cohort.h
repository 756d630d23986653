// A cohort of processes on one machine, for tests that kill them: rank 0 is the hub, every other
// rank has one socket to it. A peer that is gone is kPeerLost at the next call.
//
//   auto sockets = MakeSockets(2);                  // before fork
//   if (fork() == 0) { ProcessCohort cohort(rank, sockets); ... }
#pragma once

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "core/bytes.h"
#include "core/cohort.h"

namespace stemma::tests {

struct SocketPair {
  int hub = -1, leaf = -1;
};

// One pair for each rank but 0; element r - 1 connects rank r.
inline std::vector<SocketPair> MakeSockets(int ranks) {
  std::vector<SocketPair> pairs(static_cast<size_t>(ranks - 1));
  for (SocketPair& pair : pairs) {
    int fds[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0) pair = {fds[0], fds[1]};
  }
  return pairs;
}

inline void CloseSockets(const std::vector<SocketPair>& pairs) {
  for (const SocketPair& pair : pairs) {
    if (pair.hub >= 0) close(pair.hub);
    if (pair.leaf >= 0) close(pair.leaf);
  }
}

class ProcessCohort final : public Cohort {
 public:
  // Closes the ends that belong to others, so that a death is seen.
  ProcessCohort(int rank, const std::vector<SocketPair>& pairs)
      : rank_(rank), size_(static_cast<int>(pairs.size()) + 1) {
    for (int r = 1; r < size_; ++r) {
      const SocketPair& pair = pairs[static_cast<size_t>(r - 1)];
      const bool mine = rank == 0 || rank == r;
      if (!mine || rank == 0) close(pair.leaf);
      if (!mine || rank != 0) close(pair.hub);
      if (mine) peers_.push_back(rank == 0 ? pair.hub : pair.leaf);
    }
  }

  int rank() const override { return rank_; }
  int size() const override { return size_; }

  Result<std::vector<std::string>> AllGather(std::string mine) override {
    std::vector<std::string> all(static_cast<size_t>(size_));
    if (rank_ != 0) {
      STEMMA_RETURN_IF_ERROR(Send(peers_[0], mine));
      STEMMA_ASSIGN_OR_RETURN(const std::string packed, Receive(peers_[0]));
      Decoder in(packed);
      for (std::string& one : all) one = in.String();
      return all;
    }
    all[0] = std::move(mine);
    for (int r = 1; r < size_; ++r) {
      STEMMA_ASSIGN_OR_RETURN(all[static_cast<size_t>(r)],
                              Receive(peers_[static_cast<size_t>(r - 1)]));
    }
    Encoder packed;
    for (const std::string& one : all) packed.String(one);
    for (const int peer : peers_) STEMMA_RETURN_IF_ERROR(Send(peer, packed.bytes()));
    return all;
  }

  Result<int> Min(int mine) override {
    STEMMA_ASSIGN_OR_RETURN(const auto all, AllGather(std::to_string(mine)));
    int least = mine;
    for (const std::string& one : all) least = std::min(least, std::stoi(one));
    return least;
  }

  Result<std::string> Broadcast(std::string mine, int root) override {
    STEMMA_ASSIGN_OR_RETURN(const auto all, AllGather(rank_ == root ? std::move(mine) : ""));
    return all[static_cast<size_t>(root)];
  }

 private:
  static Status Lost() { return {Code::kPeerLost, "a peer process is gone"}; }

  static Status Send(int fd, const std::string& bytes) {
    Encoder framed;
    framed.String(bytes);
    const std::string& out = framed.bytes();
    for (size_t at = 0; at < out.size();) {
      const ssize_t n = send(fd, out.data() + at, out.size() - at, MSG_NOSIGNAL);
      if (n <= 0) return Lost();
      at += static_cast<size_t>(n);
    }
    return {};
  }

  static Status ReadWhole(int fd, char* out, size_t bytes) {
    for (size_t at = 0; at < bytes;) {
      const ssize_t n = read(fd, out + at, bytes - at);
      if (n <= 0) return Lost();
      at += static_cast<size_t>(n);
    }
    return {};
  }

  static Result<std::string> Receive(int fd) {
    char head[4];
    STEMMA_RETURN_IF_ERROR(ReadWhole(fd, head, sizeof head));
    std::string bytes(Decoder(std::string_view(head, sizeof head)).U32(), '\0');
    STEMMA_RETURN_IF_ERROR(ReadWhole(fd, bytes.data(), bytes.size()));
    return bytes;
  }

  int rank_, size_;
  std::vector<int> peers_;
};

}  // namespace stemma::tests
