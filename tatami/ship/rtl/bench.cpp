// Runs tatami_core in Verilator: it is DDR and the wrapper around the core, which turns commands into
// streams. Jobs come by stdin and answers go by stdout, both in binary, until stdin ends:
//
//     'W' address bytes ...   put bytes into DDR
//     'R' address bytes       answer those bytes
//     'G' program stall seed limit
//                             run the program at that address; `stall` of 1,000 beats of each stream
//                             wait; answer 12 numbers of 64 bits: 1 if done within `limit` cycles, the
//                             core's five counters, bytes of constants, maps in and maps out, words of
//                             commands, cycles of the whole, transfers that were not finished
#include "Vtatami_core.h"
#include "verilated.h"
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <deque>
#include <vector>

namespace {

std::vector<uint8_t> ddr;

uint8_t *at(uint64_t address, uint64_t bytes) {
  if (address + bytes > ddr.size()) ddr.resize(address + bytes + (1u << 20));
  return ddr.data() + address;
}

uint32_t word_at(uint64_t address) {
  uint32_t word;
  std::memcpy(&word, at(address, 4), 4);
  return word;
}

bool get(void *to, size_t bytes) { return std::fread(to, 1, bytes, stdin) == bytes; }

struct Blocks {  // a transfer between DDR and a stream
  uint32_t address, bytes, count, stride;
  bool after_out;
  uint64_t out_before;  // maps out that must be written first
};

struct Stalls {
  uint32_t state, share;
  bool now() {
    if (share == 0) return false;
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    return state % 1000 < share;
  }
};

// Goes through blocks beat by beat.
struct Stream {
  std::deque<Blocks> queue;
  uint32_t block = 0, place = 0;
  uint64_t bytes = 0, finished = 0;
  bool any() const { return !queue.empty(); }
  uint8_t *here(uint32_t beat) {
    const Blocks &b = queue.front();
    return at(uint64_t(b.address) + uint64_t(block) * b.stride + place, beat);
  }
  void next(uint32_t beat) {
    bytes += beat;
    place += beat;
    const Blocks &b = queue.front();
    if (place < b.bytes) return;
    place = 0;
    if (++block < b.count) return;
    block = 0;
    queue.pop_front();
    finished++;
  }
};

}  // namespace

int main() {
  VerilatedContext context;
  Vtatami_core core{&context};
  auto clock = [&] {
    core.clk = 1;
    core.eval();
    core.clk = 0;
  };
  core.clk = 0;
  core.rst = 1;
  core.c_valid = core.w_valid = core.m_valid = core.o_ready = 0;
  for (int i = 0; i < 4; i++) {
    core.eval();
    clock();
  }
  core.rst = 0;
  for (int code = std::getchar(); code != EOF; code = std::getchar()) {
    uint32_t head[2];
    if (code == 'W' || code == 'R') {
      if (!get(head, 8)) return 1;
      uint8_t *place = at(head[0], head[1]);
      if (code == 'W' && !get(place, head[1])) return 1;
      if (code == 'R') {
        std::fwrite(place, 1, head[1], stdout);
        std::fflush(stdout);
      }
      continue;
    }
    uint32_t job[4];
    if (code != 'G' || !get(job, 16)) return 1;
    Stalls stalls{job[2] * 2654435761u + 1, job[1]};
    Stream constants, in, out;
    uint64_t pc = job[0], cycles = 0, words = 0, limit = job[3], issued_out = 0;
    uint32_t left = 0;  // words of the core's command that are still to come
    bool ended = false, offer_c = false, offer_w = false, offer_m = false, done = false;
    bool told = false;  // the core knows of the program
    core.o_ready = 0;
    while (!done && cycles < limit) {
      // the wrapper's own commands take no time here
      while (!ended && left == 0 && !offer_c) {
        uint32_t word = word_at(pc), code_of = word & 255, payload = (word >> 8) & 255;
        if (code_of < 16) {
          left = payload + 1;
          ended = code_of == 0;
          break;
        }
        words += payload + 1;
        uint32_t p[4] = {word_at(pc + 4), word_at(pc + 8), 1, 0};
        if (payload >= 4) {
          p[2] = word_at(pc + 12);
          p[3] = word_at(pc + 16);
        }
        Blocks blocks{p[0], p[1], p[2], p[3], bool(word >> 18 & 1), issued_out};
        if (code_of == 16) constants.queue.push_back(blocks);
        if (code_of == 17) in.queue.push_back(blocks);
        if (code_of == 18) {
          out.queue.push_back(blocks);
          issued_out++;
        }
        pc += 4 * (payload + 1);
      }
      if (!offer_c && left > 0) offer_c = !stalls.now();
      if (!offer_w && constants.any()) offer_w = !stalls.now();
      if (!offer_m && in.any() &&
          (!in.queue.front().after_out || out.finished >= in.queue.front().out_before))
        offer_m = !stalls.now();
      core.c_valid = offer_c;
      if (offer_c) core.c_data = word_at(pc);
      core.w_valid = offer_w;
      if (offer_w) std::memcpy(&core.w_data, constants.here(BUS), BUS);
      core.m_valid = offer_m;
      if (offer_m) std::memcpy(&core.m_data, in.here(BUS), BUS);
      core.o_ready = out.any() && !stalls.now();
      core.eval();
      bool take_c = offer_c && core.c_ready, take_w = offer_w && core.w_ready,
           take_m = offer_m && core.m_ready, take_o = core.o_ready && core.o_valid;
      if (take_o) {
        std::memcpy(out.here(BUS), &core.o_data, BUS);
        out.next(BUS);
      }
      clock();
      cycles++;
      if (take_c) {
        offer_c = false;
        left--;
        words++;
        told = true;
        pc += 4;
      }
      if (take_w) {
        offer_w = false;
        constants.next(BUS);
      }
      if (take_m) {
        offer_m = false;
        in.next(BUS);
      }
      done = told && core.done;
    }
    uint64_t answer[12] = {done,           core.count_cycles, core.count_run, core.count_weights,
                           core.count_maps, core.count_out,    constants.bytes, in.bytes,
                           out.bytes,      words,             cycles,          0};
    answer[11] = constants.queue.size() + in.queue.size() + out.queue.size();
    std::fwrite(answer, 8, 12, stdout);
    std::fflush(stdout);
  }
  core.final();
  return 0;
}
