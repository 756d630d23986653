#include "lineage/weights/pickle_machine.h"

#include <algorithm>
#include <utility>

namespace stemma::lineage {
namespace {

constexpr size_t kValuesMax = 2 << 20;  // and places on the stack, marks, remembered ones

// The instructions, by the names of Python's pickletools.
enum : uint8_t {
  kProto = 0x80,
  kFrame = 0x95,
  kStop = '.',
  kMark = '(',
  kPop = '0',
  kPopMark = '1',
  kDup = '2',
  kNone = 'N',
  kTrue = 0x88,
  kFalse = 0x89,
  kBinInt = 'J',
  kBinInt1 = 'K',
  kBinInt2 = 'M',
  kLong1 = 0x8a,
  kBinFloat = 'G',
  kBinUnicode = 'X',
  kShortUnicode = 0x8c,
  kUnicode8 = 0x8d,
  kBinString = 'T',
  kShortString = 'U',
  kEmptyDict = '}',
  kEmptyList = ']',
  kEmptyTuple = ')',
  kTuple = 't',
  kTuple1 = 0x85,
  kTuple2 = 0x86,
  kTuple3 = 0x87,
  kAppend = 'a',
  kAppends = 'e',
  kSetItem = 's',
  kSetItems = 'u',
  kBinPut = 'q',
  kLongBinPut = 'r',
  kMemoize = 0x94,
  kBinGet = 'h',
  kLongBinGet = 'j',
  kGlobal = 'c',
  kStackGlobal = 0x93,
  kReduce = 'R',
  kNewObject = 0x81,
  kBuild = 'b',
  kPersistent = 'Q',
};

Status Corrupt(const std::string& what) { return {Code::kCorruption, "pickle: " + what}; }

// Text up to the end of the line, which it takes too.
std::string_view TakeLine(Decoder* in) {
  std::string_view rest = Decoder(*in).Raw(in->remaining());
  const size_t end = rest.find('\n');
  if (end == std::string_view::npos) return in->Raw(in->remaining() + 1);  // fails
  rest = in->Raw(end);
  in->Raw(1);
  return rest;
}

}  // namespace

Status PickleMachine::Run() {
  if (in_.U8() != kProto) return Corrupt("it does not begin as one");
  const uint8_t protocol = in_.U8();
  if (protocol < 2 || protocol > 5) {
    return Corrupt("protocol " + std::to_string(protocol) + ", and 2 to 5 are known");
  }
  for (bool stop = false; !stop;) {
    const uint8_t instruction = in_.U8();
    if (!in_.ok()) return Corrupt("it ends too early");
    STEMMA_RETURN_IF_ERROR(Step(instruction, &stop));
    if (std::max({values_.size(), stack_.size(), marks_.size(), memo_.size()}) > kValuesMax) {
      return Corrupt("it has more than two million values");
    }
    if (!in_.ok()) return Corrupt("it ends too early");
  }
  if (stack_.size() != 1 || !marks_.empty()) return Corrupt("it leaves no single value");
  return {};
}

Status PickleMachine::Step(uint8_t instruction, bool* stop) {
  if (instruction == kStop) {
    *stop = true;
    return {};
  }
  if (instruction == kFrame) return in_.U64(), Status();  // a hint for readers of streams
  bool known = true;
  STEMMA_RETURN_IF_ERROR(Scalar(instruction, &known));
  if (known) return {};
  STEMMA_RETURN_IF_ERROR(Container(instruction, &known));
  if (known) return {};
  STEMMA_RETURN_IF_ERROR(Object(instruction, &known));
  if (known) return {};
  return {Code::kInvalidArgument,
          "its pickle has instruction " + std::to_string(instruction) +
              ", which no dict of tensors needs (bytes, sets, objects): save only the state_dict"};
}

Status PickleMachine::Scalar(uint8_t instruction, bool* known) {
  *known = true;
  switch (instruction) {
    case kNone:
      return PushKind(PickleKind::kNone);
    case kTrue:
    case kFalse:
      return PushKind(PickleKind::kBool, instruction == kTrue);
    case kBinInt:
      return PushKind(PickleKind::kInt, static_cast<int32_t>(in_.U32()));
    case kBinInt1:
      return PushKind(PickleKind::kInt, in_.U8());
    case kBinInt2:
      return PushKind(PickleKind::kInt, in_.U16());
    case kLong1:
      return PushLong(in_.U8());
    case kBinFloat:
      in_.U64();
      return PushKind(PickleKind::kFloat);
    case kShortUnicode:
    case kShortString:
      return PushText(in_.U8());
    case kBinUnicode:
    case kBinString:
      return PushText(in_.U32());
    case kUnicode8:
      return PushText(in_.U64());
    default:
      *known = false;
      return {};
  }
}

Status PickleMachine::Container(uint8_t instruction, bool* known) {
  *known = true;
  size_t count = 1;
  switch (instruction) {
    case kEmptyDict:
      return PushKind(PickleKind::kDict);
    case kEmptyList:
      return PushKind(PickleKind::kList);
    case kEmptyTuple:
      return PushTuple(0);
    case kTuple1:
    case kTuple2:
    case kTuple3:
      return PushTuple(1u + instruction - kTuple1);
    case kMark:
      marks_.push_back(stack_.size());
      return {};
    case kAppend:
      return Fill(PickleKind::kList, 1);
    case kSetItem:
      return Fill(PickleKind::kDict, 2);
    case kTuple: {
      STEMMA_ASSIGN_OR_RETURN(count, PopMark());
      return PushTuple(count);
    }
    case kAppends: {
      STEMMA_ASSIGN_OR_RETURN(count, PopMark());
      return Fill(PickleKind::kList, count);
    }
    case kSetItems: {
      STEMMA_ASSIGN_OR_RETURN(count, PopMark());
      return Fill(PickleKind::kDict, count);
    }
    default:
      *known = false;
      return {};
  }
}

Status PickleMachine::Object(uint8_t instruction, bool* known) {
  *known = true;
  switch (instruction) {
    case kPop:
      return Pop().status();
    case kPopMark: {
      STEMMA_ASSIGN_OR_RETURN(const size_t count, PopMark());
      stack_.resize(stack_.size() - count);
      return {};
    }
    case kDup: {
      STEMMA_ASSIGN_OR_RETURN(const uint32_t top, Pop());
      stack_.insert(stack_.end(), 2, top);
      return {};
    }
    case kBinPut:
      return Remember(in_.U8());
    case kLongBinPut:
      return Remember(in_.U32());
    case kMemoize:
      return Remember(memo_.size());
    case kBinGet:
      return Recall(in_.U8());
    case kLongBinGet:
      return Recall(in_.U32());
    case kGlobal: {
      const std::string_view module = TakeLine(&in_);
      return PushNamed(module, TakeLine(&in_));
    }
    case kStackGlobal: {
      STEMMA_ASSIGN_OR_RETURN(const uint32_t name, Pop());
      STEMMA_ASSIGN_OR_RETURN(const uint32_t module, Pop());
      return PushNamed(values_[module].text, values_[name].text);
    }
    case kReduce:
    case kNewObject:
      return Call();
    case kBuild: {  // attributes of an OrderedDict, as a state_dict has: "_metadata"
      STEMMA_RETURN_IF_ERROR(Pop().status());
      if (!stack_.empty() && values_[stack_.back()].kind == PickleKind::kDict) return {};
      return Corrupt("it sets attributes of what has none");
    }
    case kPersistent: {
      STEMMA_ASSIGN_OR_RETURN(const uint32_t id, Pop());
      STEMMA_ASSIGN_OR_RETURN(PickleValue storage, objects_.Persistent(values_, values_[id]));
      return Push(std::move(storage));
    }
    default:
      *known = false;
      return {};
  }
}

Status PickleMachine::Push(PickleValue value) {
  stack_.push_back(static_cast<uint32_t>(values_.size()));
  values_.push_back(std::move(value));
  return {};
}

Status PickleMachine::PushKind(PickleKind kind, int64_t number) {
  PickleValue value;
  value.kind = kind;
  value.number = number;
  return Push(std::move(value));
}

Status PickleMachine::PushText(size_t bytes) {
  PickleValue value;
  value.kind = PickleKind::kText;
  value.text = in_.Raw(bytes);
  return Push(std::move(value));
}

// Lowest byte first, with a sign.
Status PickleMachine::PushLong(size_t bytes) {
  const std::string_view raw = in_.Raw(bytes);
  if (bytes > 8) {
    return {Code::kInvalidArgument, "its pickle has a number of more than 64 bits"};
  }
  uint64_t number = !raw.empty() && (raw.back() & 0x80) != 0 ? ~uint64_t{0} : 0;
  for (size_t i = raw.size(); i-- > 0;) number = number << 8 | static_cast<uint8_t>(raw[i]);
  return PushKind(PickleKind::kInt, static_cast<int64_t>(number));
}

Status PickleMachine::PushTuple(size_t count) {
  const size_t floor = marks_.empty() ? 0 : marks_.back();
  if (stack_.size() < floor + count) return Corrupt("a tuple of more than there is");
  PickleValue value;
  value.kind = PickleKind::kTuple;
  value.items.assign(stack_.end() - static_cast<ptrdiff_t>(count), stack_.end());
  stack_.resize(stack_.size() - count);
  return Push(std::move(value));
}

Status PickleMachine::PushNamed(std::string_view module, std::string_view name) {
  if (!in_.ok()) return Corrupt("it ends too early");
  STEMMA_ASSIGN_OR_RETURN(PickleValue value, TorchObjects::Named(module, name));
  return Push(std::move(value));
}

Status PickleMachine::Fill(PickleKind kind, size_t count) {
  const size_t floor = marks_.empty() ? 0 : marks_.back();
  if (stack_.size() < floor + count + 1) {
    return Corrupt("it fills what is not there");
  }
  const size_t at = stack_.size() - count;
  PickleValue& container = values_[stack_[at - 1]];
  const bool in_pairs = kind == PickleKind::kDict;
  if (container.kind != kind || (in_pairs && count % 2 != 0)) {
    return Corrupt(in_pairs ? "it puts keys and values into what is no dict"
                            : "it appends to what is no list");
  }
  container.items.insert(container.items.end(), stack_.begin() + static_cast<ptrdiff_t>(at),
                         stack_.end());
  stack_.resize(at);
  return {};
}

Status PickleMachine::Call() {
  STEMMA_ASSIGN_OR_RETURN(const uint32_t arguments, Pop());
  STEMMA_ASSIGN_OR_RETURN(const uint32_t function, Pop());
  STEMMA_ASSIGN_OR_RETURN(PickleValue made,
                          objects_.Call(values_, values_[function], values_[arguments]));
  return Push(std::move(made));
}

Status PickleMachine::Remember(uint64_t slot) {
  if (stack_.empty()) return Corrupt("it remembers nothing");
  memo_[slot] = stack_.back();
  return {};
}

Status PickleMachine::Recall(uint64_t slot) {
  const auto found = memo_.find(slot);
  if (found == memo_.end()) return Corrupt("it asks for what it never remembered");
  stack_.push_back(found->second);
  return {};
}

Result<uint32_t> PickleMachine::Pop() {
  if (stack_.size() <= (marks_.empty() ? 0 : marks_.back())) {
    return Corrupt("it takes more than there is");
  }
  const uint32_t top = stack_.back();
  stack_.pop_back();
  return top;
}

Result<size_t> PickleMachine::PopMark() {
  if (marks_.empty()) return Corrupt("it asks for a mark that it never set");
  const size_t count = stack_.size() - marks_.back();
  marks_.pop_back();
  return count;
}

}  // namespace stemma::lineage
