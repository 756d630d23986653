// What a process has one of: its World, since MPI starts once; and where that World leaves word of
// this rank, for those who have nothing but static functions. Behind comm/world.h. Any thread;
// AskForVerdict and LeaveNow, declared there, are for signal handlers as well.
#pragma once

#include <string>

#include "comm/node_board.h"
#include "core/status.h"

namespace stemma::comm {

// kInvalidArgument, naming the one that is there, unless this process has none.
Status ClaimOpenWorld();
// What the one that was claimed is called; "": it has ended, another may be claimed.
void SetOpenWorld(const std::string& description);
// Of that World; null before it ends.
void SetOpenBoard(NodeBoard* board);

}  // namespace stemma::comm
