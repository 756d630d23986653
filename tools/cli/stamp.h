// The commit that the program was linked from: "0123456789ab", with "+changes" where files were
// changed that are under git; "unknown" from an archive or without a stamp. Pure; any thread.
//
//   Print(std::string("commit   ") + BuildCommit() + "\n");
#pragma once

namespace stemma::cli {

const char* BuildCommit();

}  // namespace stemma::cli
