# tests/compile_fail/<name>.cpp must not compile, and the compiler must say the name after "expect-error:" in the first line;
# <name>_fixed.cpp, the same without the mistake, must compile.
add_library(accrete_compile_fail_flags INTERFACE)
target_link_libraries(accrete_compile_fail_flags INTERFACE accrete::accrete)
set(accrete_probe "$<TARGET_PROPERTY:accrete_compile_fail_flags,INTERFACE_INCLUDE_DIRECTORIES>")
set(accrete_probe_definitions "$<TARGET_PROPERTY:accrete_compile_fail_flags,INTERFACE_COMPILE_DEFINITIONS>")
set(accrete_flag_file "${CMAKE_CURRENT_BINARY_DIR}/compile_fail.flags")
file(GENERATE OUTPUT "${accrete_flag_file}"
     CONTENT "-std=c++20\n-fsyntax-only\n-I$<JOIN:${accrete_probe},\n-I>\n$<$<BOOL:${accrete_probe_definitions}>:-D$<JOIN:${accrete_probe_definitions},\n-D>>\n")

file(GLOB accrete_compile_fail CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/compile_fail/*.cpp")
list(FILTER accrete_compile_fail EXCLUDE REGEX "_fixed\\.cpp$")
foreach(source IN LISTS accrete_compile_fail)
  get_filename_component(name "${source}" NAME_WE)
  add_test(NAME compile_fail_${name} COMMAND "${CMAKE_COMMAND}" "-DCOMPILER=${CMAKE_CXX_COMPILER}" "-DFLAGS=${accrete_flag_file}" "-DSOURCE=${source}" -P
                                             "${CMAKE_CURRENT_SOURCE_DIR}/compile_fail/check.cmake")
endforeach()
