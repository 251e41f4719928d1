// Runs tatami_axi in Verilator against a memory that answers late and out of step, and that minds the
// rules of AXI: what is offered stays until it is taken, bursts stay within 4 KiB and BURST beats,
// every burst has its beats and its last one is marked. The jobs and answers are bench.cpp's, and
//
//     'P' offset value        write a register
//     'Q' offset              answer a register
//     'E' which               answer the next read (1) or write (2) with an error
#include "Vtatami_axi.h"
#include "verilated.h"
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <vector>

namespace {

constexpr uint32_t kBurst = 16;
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

[[noreturn]] void broken(const char *rule) {
  std::fprintf(stderr, "tatami_axi breaks a rule of AXI: %s\n", rule);
  std::exit(3);
}

struct Stalls {
  uint32_t state = 1, share = 0;
  uint32_t next() {
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    return state;
  }
  bool now() { return share != 0 && next() % 1000 < share; }
  // cycles until the memory answers
  uint32_t late() { return share == 0 ? 24 : 4 + next() % 60; }
};

struct Burst {
  uint64_t address;
  uint32_t beats;
  uint64_t when;
};

void check(uint64_t address, uint32_t beats) {
  if (beats > kBurst) broken("a burst has more beats than BURST");
  if (address % BUS) broken("an address is not a multiple of the bus");
  if (address / 4096 != (address + beats * BUS - 1) / 4096) broken("a burst crosses 4 KiB");
}

// An address channel: takes bursts, and minds that an offer stays.
struct Addresses {
  bool ready = false, offered = false;
  uint64_t address = 0;
  uint32_t length = 0;
  bool take(bool valid, uint64_t now_at, uint32_t now_length) {
    if (offered && !(valid && now_at == address && now_length == length))
      broken("an address changed while it waited");
    offered = valid && !ready;
    address = now_at;
    length = now_length;
    return valid && ready;
  }
};

VerilatedContext context;
Vtatami_axi core{&context};
uint64_t cycles = 0;
Stalls stalls;
Addresses reading, writing;
std::deque<Burst> reads, writes, answers;
uint32_t place_read = 0, place_write = 0, beats_early = 0;
bool offer_r = false, offer_b = false, w_offered = false;
uint32_t error = 0;  // that is still to be answered: 1 of a read, 2 of a write
std::vector<uint8_t> early, w_kept(BUS);
bool w_last_kept = false;

void put(uint8_t *from) {  // a beat of the oldest burst that has an address
  Burst &b = writes.front();
  std::memcpy(at(b.address + uint64_t(place_write) * BUS, BUS), from, BUS);
  if (++place_write == b.beats) {
    place_write = 0;
    answers.push_back({0, 0, cycles + stalls.late()});
    writes.pop_front();
  }
}

void cycle() {
  // what the memory offers in this cycle
  reading.ready = core.m_axi_arready = reads.size() < 8 && !stalls.now();
  writing.ready = core.m_axi_awready = writes.size() < 4 && !stalls.now();
  core.m_axi_wready = !stalls.now();
  if (!offer_r && !reads.empty() && reads.front().when <= cycles) offer_r = !stalls.now();
  core.m_axi_rvalid = offer_r;
  if (offer_r) {
    const Burst &b = reads.front();
    std::memcpy(&core.m_axi_rdata, at(b.address + uint64_t(place_read) * BUS, BUS), BUS);
    core.m_axi_rlast = place_read + 1 == b.beats;
    core.m_axi_rresp = error == 1 ? 2 : 0;
  }
  if (!offer_b && !answers.empty() && answers.front().when <= cycles) offer_b = !stalls.now();
  core.m_axi_bvalid = offer_b;
  core.m_axi_bresp = error == 2 ? 2 : 0;
  core.eval();
  if (!core.aresetn) {  // what is offered before the first edge of a reset means nothing
    core.aclk = 1;
    core.eval();
    core.aclk = 0;
    return;
  }
  // what is taken at the edge
  bool ar = reading.take(core.m_axi_arvalid, core.m_axi_araddr, core.m_axi_arlen);
  bool aw = writing.take(core.m_axi_awvalid, core.m_axi_awaddr, core.m_axi_awlen);
  bool r = offer_r && core.m_axi_rready, b = offer_b && core.m_axi_bready;
  bool w = core.m_axi_wvalid && core.m_axi_wready;
  std::vector<uint8_t> beat(BUS);
  std::memcpy(beat.data(), &core.m_axi_wdata, BUS);
  bool last = core.m_axi_wlast;
  if (w_offered && !(core.m_axi_wvalid && beat == w_kept && last == w_last_kept))
    broken("a beat changed while it waited");
  w_offered = core.m_axi_wvalid && !core.m_axi_wready;
  w_kept = beat;
  w_last_kept = last;
  uint64_t ar_at = core.m_axi_araddr, aw_at = core.m_axi_awaddr;
  uint32_t ar_beats = core.m_axi_arlen + 1u, aw_beats = core.m_axi_awlen + 1u;
  core.aclk = 1;
  core.eval();
  core.aclk = 0;
  cycles++;
  if (ar) {
    check(ar_at, ar_beats);
    reads.push_back({ar_at, ar_beats, cycles + stalls.late()});
  }
  if (aw) {
    check(aw_at, aw_beats);
    writes.push_back({aw_at, aw_beats, 0});
  }
  if (w) {  // beats may come before their address
    if (++beats_early == 0) broken("beats without end");
    early.insert(early.end(), beat.begin(), beat.end());
    early.push_back(last);
  }
  while (!early.empty() && !writes.empty()) {
    bool ends = place_write + 1 == writes.front().beats;
    if (ends != bool(early[BUS])) broken("wlast is not at the last beat");
    put(early.data());
    early.erase(early.begin(), early.begin() + BUS + 1);
  }
  if ((r && error == 1) || (b && error == 2)) error = 0;
  if (r) {
    offer_r = false;
    if (++place_read == reads.front().beats) {
      place_read = 0;
      reads.pop_front();
    }
  }
  if (b) {
    offer_b = false;
    answers.pop_front();
  }
}

void set(uint32_t address, uint32_t value) {
  core.s_axi_awaddr = address;
  core.s_axi_wdata = value;
  core.s_axi_wstrb = 15;
  bool address_first = stalls.now();
  core.s_axi_awvalid = 1;
  core.s_axi_wvalid = !address_first;
  core.eval();
  if (address_first) {
    cycle();
    core.s_axi_wvalid = 1;
    core.eval();
  }
  while (!(core.s_axi_awready && core.s_axi_wready)) {
    cycle();
    core.eval();
  }
  cycle();
  core.s_axi_awvalid = core.s_axi_wvalid = 0;
  core.s_axi_bready = 1;
  core.eval();
  while (!core.s_axi_bvalid) {
    cycle();
    core.eval();
  }
  cycle();
  core.s_axi_bready = 0;
}

uint32_t read(uint32_t address) {
  core.s_axi_araddr = address;
  core.s_axi_arvalid = 1;
  core.eval();
  while (!core.s_axi_arready) {
    cycle();
    core.eval();
  }
  cycle();
  core.s_axi_arvalid = 0;
  core.s_axi_rready = 1;
  core.eval();
  while (!core.s_axi_rvalid) {
    cycle();
    core.eval();
  }
  uint32_t value = core.s_axi_rdata;
  cycle();
  core.s_axi_rready = 0;
  return value;
}

}  // namespace

int main() {
  core.aclk = 0;
  core.aresetn = 0;
  for (int i = 0; i < 4; i++) cycle();
  core.aresetn = 1;
  for (int code = std::getchar(); code != EOF; code = std::getchar()) {
    uint32_t head[2];
    if (code == 'W' || code == 'R' || code == 'P') {
      if (!get(head, 8)) return 1;
      if (code == 'P') {
        set(head[0], head[1]);
        continue;
      }
      uint8_t *place = at(head[0], head[1]);
      if (code == 'W' && !get(place, head[1])) return 1;
      if (code == 'R') {
        std::fwrite(place, 1, head[1], stdout);
        std::fflush(stdout);
      }
      continue;
    }
    if (code == 'E') {
      if (!get(&error, 4)) return 1;
      continue;
    }
    if (code == 'Q') {
      if (!get(head, 4)) return 1;
      uint32_t value = read(head[0]);
      std::fwrite(&value, 4, 1, stdout);
      std::fflush(stdout);
      continue;
    }
    uint32_t job[4];
    if (code != 'G' || !get(job, 16)) return 1;
    stalls.state = job[2] * 2654435761u + 1;
    stalls.share = job[1];
    uint32_t words = 0, open = 0;
    for (uint64_t pc = job[0];;) {  // the program's length
      uint32_t word = word_at(pc), all = 1 + (word >> 8 & 255);
      words += all;
      pc += 4 * all;
      if ((word & 255) == 0) break;
    }
    uint32_t whole = (4 * words + BUS - 1) / BUS * BUS;
    set(0x18, 1);
    set(0x20, 0);
    set(0x28, job[0]);
    set(0x2c, whole);
    uint64_t begun = cycles, limit = job[3];
    set(0x10, 1);
    while (!core.irq && cycles - begun < limit) cycle();
    uint64_t took = cycles - begun;
    uint32_t status = read(0x14);
    bool done = (status & 0xf3) == 2;
    set(0x14, 2);
    open = reads.size() + writes.size() + answers.size() + early.size() + core.irq;
    uint64_t answer[12] = {done,
                           read(0x40),
                           read(0x44),
                           read(0x48),
                           read(0x4c),
                           read(0x50),
                           uint64_t(read(0x58)) * BUS,
                           uint64_t(read(0x5c)) * BUS,
                           uint64_t(read(0x64)) * BUS,
                           words,
                           took,
                           open};
    if (read(0x60) * BUS != whole) answer[11]++;
    std::fwrite(answer, 8, 12, stdout);
    std::fflush(stdout);
  }
  core.final();
  return 0;
}
