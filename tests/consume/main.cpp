#include <stranger.hpp>

int main() { return stranger::works() ? 0 : 1; }
