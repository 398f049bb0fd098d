#include <accrete/accrete.hpp>

int main() {}
