#include <accrete/accrete_device.hpp>

int main() {}
